"""feedkit as an app of Django's: `INSTALLED_APPS += ["feedkit.django"]`, and `from feedkit.django import feed`.

`feed` has all verbs of `feedkit.Feed`. It is made from the setting FEEDKIT at its first use:

    FEEDKIT = {
        "key": "uuid",          # the type of your users' primary keys: "int" (the default), "str" or "uuid"
        "database": "default",  # which of DATABASES
        "deliver": "inline",    # as for feedkit.connect, like "namespace", "policy" and "clock"
        "page_limit_max": 50,   # any of feedkit.Settings
    }

Inside `transaction.atomic()` verbs join its transaction by themselves.
"""

from typing import Any, cast

from django.utils.functional import SimpleLazyObject

from feedkit.django.wiring import made_feed
from feedkit.engine import Feed

feed = cast(Feed[Any], SimpleLazyObject(made_feed))

__all__ = ["feed"]
