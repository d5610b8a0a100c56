from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('operations', '0003_words_filled'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='auditentry',
            index=models.Index(fields=['action', '-number'], name='audit_action'),
        ),
        migrations.AddIndex(
            model_name='auditentry',
            index=models.Index(condition=models.Q(('alarming', True)), fields=['-number'], name='audit_alarming'),
        ),
    ]
