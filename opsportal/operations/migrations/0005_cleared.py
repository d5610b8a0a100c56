from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('operations', '0004_audit_lookups'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='operation',
            name='cleared_at',
            field=models.DateTimeField(blank=True, help_text='Nothing of it is left in the control directories of its targets.', null=True),
        ),
        migrations.AddIndex(
            model_name='operation',
            index=models.Index(condition=models.Q(('cleared_at', None)), fields=['ended_at'], name='operation_uncleared'),
        ),
    ]
