"""How a job is called: on the event loop, in a thread, in a process of its own."""
