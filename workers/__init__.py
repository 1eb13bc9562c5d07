"""The engine: llama.cpp, GGUF, NumPy and child processes. Knows no Django, Celery or Redis."""
