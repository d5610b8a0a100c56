import django.db.models.deletion
import opsportal.operations.models
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('operations', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Acknowledgement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(auto_now_add=True)),
            ],
            options={
                'ordering': ['id'],
            },
        ),
        migrations.AddField(
            model_name='operation',
            name='said',
            field=opsportal.operations.models.Joined(default='', editable=False, max_length=1200, of=('title', 'subject')),
        ),
        migrations.AddField(
            model_name='operation',
            name='touched',
            field=opsportal.operations.models.Joined(default='', editable=False, max_length=1200, of=('locks', 'targets')),
        ),
        migrations.AddIndex(
            model_name='operation',
            index=models.Index(fields=['runbook', 'state', '-id'], name='operation_runbook_state'),
        ),
        migrations.AddIndex(
            model_name='operation',
            index=models.Index(fields=['requester', 'state', '-id'], name='operation_requester_state'),
        ),
        migrations.AddIndex(
            model_name='operation',
            index=models.Index(fields=['-id', 'state', 'runbook', 'requester', 'said', 'touched'], name='operation_search'),
        ),
        migrations.AddIndex(
            model_name='operation',
            index=models.Index(condition=models.Q(('break_glass', True)), fields=['-id'], name='operation_glass'),
        ),
        migrations.AddIndex(
            model_name='step',
            index=models.Index(fields=['target', '-operation'], name='step_target'),
        ),
        migrations.AddField(
            model_name='acknowledgement',
            name='operation',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='acknowledgements', to='operations.operation'),
        ),
        migrations.AddField(
            model_name='acknowledgement',
            name='person',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddConstraint(
            model_name='acknowledgement',
            constraint=models.UniqueConstraint(fields=('operation', 'person'), name='acknowledged_once'),
        ),
    ]
