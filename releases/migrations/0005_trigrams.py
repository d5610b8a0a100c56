from django.db import migrations, models

from opsportal.operations import trigrams


class Migration(migrations.Migration):
    dependencies = [("releases", "0004_words_filled"), ("operations", "0006_trigrams")]

    operations = [
        migrations.AddIndex(model_name="build", index=models.Index(fields=["commit"], name="build_commit")),
        migrations.AddIndex(model_name="build", index=models.Index(fields=["built_commit"], name="build_built_commit")),
        migrations.RunPython(trigrams.index("releases_build", "said", "version"), migrations.RunPython.noop),
    ]
