"""What `make bench` measures: the engine, a live campus, and the pages in process.

Each part is a module with `measure(*, quick) -> list[Row]`. Every part runs in a process and with
a CAMPUS_HOME of its own. `quick` measures next to nothing; it shows that the measuring works.
"""
