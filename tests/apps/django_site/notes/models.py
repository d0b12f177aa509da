"""A note."""

from django.db import models


class Note(models.Model):
    id = models.BigAutoField(primary_key=True)
    title = models.CharField(max_length=100)
    written = models.DateTimeField(auto_now_add=True)

    def __str__(self):
        return self.title
