from django.db import migrations

from opsportal.operations import trigrams


class Migration(migrations.Migration):
    dependencies = [("operations", "0005_cleared")]

    operations = [migrations.RunPython(trigrams.index("operations_operation", "said", "touched"), migrations.RunPython.noop)]
