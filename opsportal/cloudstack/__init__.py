"""CloudStack's API: signed calls, errors in words, lists over pages, jobs. Plain Python without Django."""
