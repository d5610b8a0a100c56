from django.db import migrations

from opsportal.operations.models import joined
from releases.models import patch_words

AT_ONCE = 500


def fill(apps, schema_editor):
    """What the list of builds searches, for builds that are older than it."""
    Build = apps.get_model("releases", "Build")
    rows = Build.objects.order_by("pk").values_list("pk", "version", "patches")
    last = 0
    while found := list(rows.filter(pk__gt=last)[:AT_ONCE]):
        for pk, version, patches in found:
            Build.objects.filter(pk=pk).update(said=joined(version, *patch_words(patches)))
        last = found[-1][0]


class Migration(migrations.Migration):
    dependencies = [("releases", "0003_words")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
