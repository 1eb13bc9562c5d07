"""The plan as an iCalendar file (RFC 5545): an all-day event for each block."""

from datetime import UTC, datetime, time, timedelta

from icalendar import Calendar, Event

from courses.plan import Schedule


def ical(schedule: Schedule, *, address: str) -> bytes:
    """The blocks as events. `address` is that of the campus, with a slash at its end."""
    found = Calendar()
    found.add("prodid", "-//Inference Campus//Study plan//EN")
    found.add("version", "2.0")
    module = schedule.plan.module
    for number, block in enumerate(schedule.blocks, start=1):
        event = Event()
        event.add("uid", f"{module.key}-{schedule.plan.pk}-{number}@{address.split('/')[2]}")
        event.add("dtstamp", datetime.combine(schedule.today, time(), UTC))
        event.add("dtstart", block.first)
        # The end of an all-day event is the day after its last.
        event.add("dtend", block.last + timedelta(days=1))
        event.add("summary", f"{module.title}, week {block.week}: {block.title}")
        tasks = [f"{task.title} ({task.minutes} min)" for task in block.tasks]
        event.add("description", "\n".join([block.goal, "", *tasks]))
        event.add("url", f"{address}modules/{module.key}/plan/")
        found.add_component(event)
    return bytes(found.to_ical())
