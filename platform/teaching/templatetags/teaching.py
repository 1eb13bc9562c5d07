from datetime import datetime

from django import template

from teaching import heatmap

register = template.Library()


@register.filter
def ago(then: datetime, at: datetime) -> str:
    """{{ then|ago:at }}: how many days before `at`, in words."""
    return heatmap.ago(then, at)


@register.filter
def percent(share: float) -> str:
    """{{ score|percent }}: a share of 1 in whole per cent."""
    return heatmap.percent(share)
