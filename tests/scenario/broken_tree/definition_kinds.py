"""Files that submit what is no job, or a job with options that are none."""

# ruff: noqa: E501 - a row of a table stays on its line
from __future__ import annotations

from tests.scenario.broken_tree.kinds import Kind

_IMPORT = "from jobkit import Expect, Job, Retry, submit_job\n"
_WORK = "async def work_{name}(ctx): ...\n"

_TARGETS = {
    # Each name has its source after the import – line – code – words.
    "submits_none": ("submit_job(None)\n", 2, "JK110", "None is not a job"),
    "submits_a_number": ("submit_job(1)\n", 2, "JK110", "is not a job"),
    "submits_a_text": ("submit_job('work')\n", 2, "JK110", "is not a job"),
    "submits_a_module": ("import json\nsubmit_job(json)\n", 3, "JK110", "the module json is not a job"),
    "submits_a_result": ("def f(ctx): ...\nsubmit_job(f(1))\n", 3, "JK110", "None is not a job"),
    "submits_a_coroutine": (
        "async def f(ctx): ...\nc = f(1)\ntry:\n    submit_job(c)\nfinally:\n    c.close()\n",
        5,
        "JK110",
        "the coroutine that calling f gave",
    ),
    "submits_a_generator": ("def f(ctx):\n    yield 1\nsubmit_job(f)\n", 4, "JK111", ""),
    "submits_an_async_generator": ("async def f(ctx):\n    yield 1\nsubmit_job(f)\n", 4, "JK111", ""),
    "submits_a_class_without_execute": (
        "class W: ...\nsubmit_job(W)\n",
        3,
        "JK114",
        "does not define execute",
    ),
    "submits_a_job_without_execute": (
        "class W(Job): ...\nsubmit_job(W)\n",
        3,
        "JK114",
        "does not define execute",
    ),
    "submits_a_class_with_needs": (
        "class W(Job):\n    def __init__(self, x): ...\n    async def execute(self, ctx): ...\nsubmit_job(W)\n",
        5,
        "JK114",
        "",
    ),
    "submits_a_decorator": ("submit_job(submit_job())\n", 2, "JK110", ""),
    "takes_nothing": ("def f(): ...\nsubmit_job(f)\n", 3, "JK112", "takes no context"),
    "takes_only_parameters": ("def f(*, days=1): ...\nsubmit_job(f)\n", 3, "JK112", "takes no context"),
    "takes_a_number_first": ("def f(days: int): ...\nsubmit_job(f)\n", 3, "JK112", "takes no context"),
    "takes_a_default": ("def f(ctx, days=30): ...\nsubmit_job(f)\n", 3, "JK113", "has a default"),
    "takes_a_plain_value": ("def f(ctx, days: int): ...\nsubmit_job(f)\n", 3, "JK113", "`int`"),
    "takes_what_cannot_be_written": (
        "import threading\ndef f(ctx, *, lock: threading.Thread): ...\nsubmit_job(f)\n",
        4,
        "JK115",
        "`lock",
    ),
    "takes_a_nameless_service": (
        "from typing import Annotated\nfrom jobkit import Service\ndef f(ctx, db: Annotated[object, Service]): ...\nsubmit_job(f)\n",
        5,
        "JK116",
        "`db`",
    ),
    "method_without_its_object": (
        "class W:\n    def f(self, ctx): ...\nsubmit_job(W.f)\n",
        4,
        "JK112",
        "method without its object",
    ),
    "lambda_without_a_name": ("submit_job(lambda ctx: None)\n", 2, "JK123", "lambda"),
    "upper_case_function": ("def Work(ctx): ...\nsubmit_job(Work)\n", 3, "JK122", "upper-case"),
    "never_applied": (
        "\nsubmit_job(schedule='0 0 3 * * *')\ndef work(ctx): ...\n",
        3,
        "JK109",
        "applied to nothing",
    ),
    "kept_and_never_applied": ("decorate = submit_job(tags=['x'])\n", 2, "JK109", "applied to nothing"),
}

_OPTIONS = {
    # Each name has its options – code – words.
    "unknown_option": ("shedule='0 0 3 * * *'", "JK120", "did you mean `schedule`?"),
    "option_of_others": ("cron='0 0 3 * * *'", "JK120", "did you mean `schedule`?"),
    "two_unknown_options": ("foo=1, bar=2", "JK120", "`bar`"),
    "option_of_configuration": ("enforce=True", "JK124", "`enforce`"),
    "parameters_in_code": ("parameters={'days': 1}", "JK124", "`parameters`"),
    "name_none": ("name=None", "JK122", "`name`"),
    "name_empty": ("name=''", "JK122", "`name`"),
    "name_number": ("name=1", "JK122", "`name`"),
    "name_upper_case": ("name='Work'", "JK122", "write 'work'"),
    "name_with_blanks": ("name='my work'", "JK122", "is not a name"),
    "name_with_two_underscores": ("name='my__work'", "JK122", "write 'my_work'"),
    "name_starting_with_a_digit": ("name='1st'", "JK122", "is not a name"),
    "name_too_long": ("name='x' * 129", "JK122", "at most 128"),
    "name_of_another_script": ("name='müll'", "JK122", "is not a name"),
    "description_number": ("description=1", "JK121", "`description`"),
    "description_too_long": ("description='x' * 2000", "JK121", "`description`"),
    "schedule_of_five_fields": ("schedule='0 3 * * *'", "JK302", "this has 5"),
    "schedule_of_seven_fields": ("schedule='0 0 3 * * * *'", "JK302", "this has 7"),
    "schedule_out_of_range": ("schedule='0 61 3 * * *'", "JK304", "61 is out of range"),
    "schedule_reversed": ("schedule='0 30-10 3 * * *'", "JK305", "runs backwards"),
    "schedule_without_a_step": ("schedule='*/0 * * * * *'", "JK306", "the step"),
    "schedule_that_never_comes": ("schedule='0 0 0 30 2 *'", "JK308", "no day ever matches"),
    "schedule_in_words": ("schedule='every night'", "JK310", "has no duration"),
    "schedule_of_nothing_known": ("schedule='@never'", "JK312", "is not an alias"),
    "schedule_of_too_much": ("schedule='* ' * 200", "JK121", "`schedule`"),
    "schedule_number": ("schedule=60", "JK121", "`schedule`"),
    "schedule_none": ("schedule=None", "JK121", "`schedule`"),
    "schedule_list_of_numbers": ("schedule=[1]", "JK121", "`schedule`"),
    "schedule_list_with_a_gap": ("schedule=['@daily', '']", "JK121", "`schedule`"),
    "schedule_list_with_a_mistake": ("schedule=['@daily', '0 3 * * *']", "JK302", "this has 5"),
    "timezone_unknown": ("timezone='Europe/Berlim'", "JK309", "Berlim"),
    "timezone_number": ("timezone=1", "JK121", "`timezone`"),
    "timezone_offset": ("timezone='+01:00'", "JK121", "`timezone`"),
    "enabled_text": ("enabled='yes'", "JK121", "`enabled`"),
    "enabled_number": ("enabled=1", "JK121", "`enabled`"),
    "startup_none": ("run_on_startup=None", "JK121", "`run_on_startup`"),
    "tags_text": ("tags='nightly'", "JK121", "write `['nightly']`"),
    "tags_numbers": ("tags=[1]", "JK121", "`tags`"),
    "tags_too_many": ("tags=[str(n) for n in range(1000)]", "JK121", "at most 100"),
    "tags_empty": ("tags=['']", "JK121", "`tags`"),
    "timeout_zero": ("timeout=0", "JK121", "`timeout`"),
    "timeout_negative": ("timeout=-1", "JK121", "cannot be negative"),
    "timeout_words": ("timeout='five minutes'", "JK121", "is not a duration"),
    "timeout_infinite": ("timeout=float('inf')", "JK121", "`timeout`"),
    "timeout_not_a_number": ("timeout=float('nan')", "JK121", "`timeout`"),
    "timeout_for_ever": ("timeout=10**30", "JK121", "`timeout`"),
    "timeout_true": ("timeout=True", "JK121", "`timeout`"),
    "retries_negative": ("retries=-1", "JK121", "`retries`"),
    "retries_text": ("retries='3'", "JK121", "`retries`"),
    "retries_too_many": ("retries=10**9", "JK121", "`retries`"),
    "retries_unknown_key": ("retries={'tries': 3}", "JK121", "`retries`"),
    "overlap_unknown": ("overlap='wait'", "JK121", "skip, queue, allow or cancel"),
    "overlap_true": ("overlap=True", "JK121", "`overlap`"),
    "misfire_unknown": ("misfire='first'", "JK121", "`misfire`"),
    "grace_unknown": ("misfire_grace='later'", "JK121", "`misfire_grace`"),
    "jitter_negative": ("jitter='-5s'", "JK121", "`jitter`"),
    "scope_unknown": ("scope='planet'", "JK121", "`scope`"),
    "limits_text": ("limits='db'", "JK121", "`limits`"),
    "executor_unknown": ("executor='gpu'", "JK121", "`executor`"),
    "queue_with_blanks": ("queue='my queue'", "JK121", "`queue`"),
    "priority_text": ("priority='high'", "JK121", "`priority`"),
    "priority_too_high": ("priority=10**9", "JK121", "`priority`"),
    "expect_number": ("expect=1", "JK121", "`expect`"),
    "expect_unknown_key": ("expect={'at_least': 1}", "JK121", "`expect`"),
    "owner_empty": ("owner=''", "JK121", "`owner`"),
    "plugins_list": ("plugins=['webhook']", "JK121", "`plugins`"),
    "plugins_of_numbers": ("plugins={'webhook': 1}", "JK121", "`plugins`"),
    "three_options_wrong": ("timeout=-1, retries='x', tags='y'", "JK121", "`retries`"),
    "retry_object_wrong": ("retries=Retry(-1)", "JK101", "retries lies between"),
    "expect_object_wrong": ("expect=Expect(max_error_ratio=2)", "JK101", "max_error_ratio"),
}

_CLASSES = {
    "class_with_a_bad_schedule": ("schedule = '0 3 * * *'", "JK302", "this has 5"),
    "class_with_a_bad_timeout": ("timeout = 'soon'", "JK121", "`timeout`"),
    "class_with_a_bad_name": ("name = 'Work'", "JK122", "upper-case"),
    "class_with_bad_flags": ("run_on_startup = 'yes'", "JK121", "`run_on_startup`"),
}

KINDS = [
    *(
        Kind(name, _IMPORT + source, code, line, words)
        for name, (source, line, code, words) in _TARGETS.items()
    ),
    *(
        Kind(
            name,
            _IMPORT + _WORK.format(name=name) + f"\n\nsubmit_job(work_{name}, {options})\n",
            code,
            5,
            words,
        )
        for name, (options, code, words) in _OPTIONS.items()
    ),
    *(
        Kind(
            name,
            _IMPORT + f"class {name.title()}(Job):\n    {option}\n    async def execute(self, ctx): ...\n"
            f"submit_job({name.title()})\n",
            code,
            5,
            words,
        )
        for name, (option, code, words) in _CLASSES.items()
    ),
    Kind(
        "claims_a_name",
        _IMPORT + "def f(ctx): ...\nsubmit_job(f, name='claimed')\n",
        "JK108",
        3,
        "claims_it_too.py:4",
    ),
    Kind(
        "claims_it_too",
        _IMPORT + "\ndef f(ctx): ...\nsubmit_job(f, name='claimed')\n",
        "JK108",
        4,
        "claims_a_name.py:3",
    ),
    Kind(
        "claims_a_name_twice",
        _IMPORT + "def f(ctx): ...\nsubmit_job(f, name='twice')\nsubmit_job(f, name='twice')\n",
        "JK108",
        4,
        "claims_a_name_twice.py:3",
    ),
]
