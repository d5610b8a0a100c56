import opsportal.operations.models
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('operations', '0003_words_filled'),
        ('releases', '0002_looks'),
    ]

    operations = [
        migrations.AddField(
            model_name='build',
            name='said',
            field=opsportal.operations.models.Joined(default='', editable=False, max_length=1200, of=('version', 'patch_words')),
        ),
        migrations.AddIndex(
            model_name='build',
            index=models.Index(fields=['-id', 'source', 'schedule', 'ref', 'version', 'keep', 'operation', 'said', 'commit', 'built_commit'], name='build_search'),
        ),
    ]
