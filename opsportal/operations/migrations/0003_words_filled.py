from django.db import migrations

from opsportal.operations.models import joined

AT_ONCE = 500


def fill(apps, schema_editor):
    """What lists search, for operations that are older than it."""
    Operation = apps.get_model("operations", "Operation")
    rows = Operation.objects.order_by("pk").only("title", "subject", "locks", "targets")
    last = 0
    while found := list(rows.filter(pk__gt=last)[:AT_ONCE]):
        for row in found:
            row.said, row.touched = joined(row.title, row.subject), joined(*row.locks, *row.targets)
        Operation.objects.bulk_update(found, ["said", "touched"])
        last = found[-1].pk


class Migration(migrations.Migration):
    dependencies = [("operations", "0002_words")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
