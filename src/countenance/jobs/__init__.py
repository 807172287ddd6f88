"""A project's queue of long work: each job is a command of the command line, run as a process of its own."""

from countenance.jobs.job import OPEN, VERBS, Job, State, verb_of
from countenance.jobs.queue import add, clear, find_job, kill, list_jobs, log_of, move, remove, result_of, retry, stop
from countenance.jobs.worker import start_worker, work

__all__ = [
    "OPEN",
    "VERBS",
    "Job",
    "State",
    "add",
    "clear",
    "find_job",
    "kill",
    "list_jobs",
    "log_of",
    "move",
    "remove",
    "result_of",
    "retry",
    "start_worker",
    "stop",
    "verb_of",
    "work",
]
