"""Files that are no Python, or no text."""

from __future__ import annotations

import gzip
import marshal

from tests.scenario.broken_tree.kinds import ANYWHERE, Kind

_SYNTAX = {
    # Each name has its source – line.
    "unclosed_parenthesis": ("x = 1\nprint('a'\n", 2),
    "unclosed_bracket": ("x = [1, 2\n", 1),
    "unclosed_brace": ("x = {'a': 1\n", 1),
    "closing_too_much": ("x = (1))\n", 1),
    "mismatched_brackets": ("x = (1]\n", 1),
    "unterminated_text": ("x = 1\ny = 'abc\n", 2),
    "unterminated_long_text": ('x = """abc\n\n\n', ANYWHERE),
    "missing_colon": ("def work(ctx)\n    pass\n", 1),
    "missing_body": ("def work(ctx):\n\nx = 1\n", 3),
    "missing_body_at_the_end": ("x = 1\nclass Work:\n", 2),
    "unexpected_indent": ("x = 1\n    y = 2\n", 2),
    "unindent_to_nowhere": ("if True:\n        x = 1\n    y = 2\n", 3),
    "tabs_and_spaces": ("if True:\n        x = 1\n\ty = 2\n", 3),
    "two_operators": ("x = 1 +* 2\n", 1),
    "double_assignment_sign": ("x = = 1\n", 1),
    "assignment_to_a_number": ("1 = x\n", 1),
    "assignment_to_none": ("None = 1\n", 1),
    "assignment_to_a_call": ("\nf() = 1\n", 2),
    "comparison_of_old": ("x = 1 <> 2\n", 1),
    "print_of_old": ("print 'hello'\n", 1),
    "except_of_old": ("try:\n    pass\nexcept ValueError, error:\n    pass\n", 3),
    "octal_of_old": ("mode = 0777\n", 1),
    "backticks": ("x = `1`\n", 1),
    "keyword_as_name": ("class = 1\n", 1),
    "keyword_as_argument": ("def work(ctx, *, from): ...\n", 1),
    "duplicate_argument": ("def work(ctx, ctx): ...\n", 1),
    "default_before_none": ("def work(ctx=None, db): ...\n", 1),
    "two_stars": ("def work(ctx, *a, *b): ...\n", 1),
    "nothing_after_star": ("def work(ctx, *): ...\n", 1),
    "keyword_twice_in_a_call": ("f(a=1, a=2)\n", 1),
    "positional_after_keyword": ("f(a=1, 2)\n", 1),
    "return_outside": ("x = 1\nreturn x\n", 2),
    "yield_outside": ("yield 1\n", 1),
    "await_outside": ("await x\n", 1),
    "async_for_outside": ("async for x in y:\n    pass\n", 1),
    "break_outside": ("break\n", 1),
    "continue_outside": ("if True:\n    continue\n", 2),
    "nonlocal_outside": ("nonlocal x\n", 1),
    "global_after_use": ("def f():\n    x = 1\n    global x\n", 3),
    "future_too_late": ("x = 1\nfrom __future__ import annotations\n", 2),
    "future_unknown": ("from __future__ import flying\n", 1),
    "star_import_in_a_function": ("def f():\n    from os import *\n", 2),
    "else_alone": ("else:\n    pass\n", 1),
    "decorator_alone": ("@submit_job\n", 1),
    "decorator_on_a_value": ("@submit_job\nx = 1\n", 2),
    "broken_f_string": ("x = f'{1 +}'\n", 1),
    "unclosed_f_string": ("x = f'{1'\n", 1),
    "broken_escape": ("x = '\\N{NO SUCH SIGN}'\n", 1),
    "broken_byte": ("x = b'é'\n", 1),
    "smart_quotes": ("x = “text”\n", 1),
    "no_break_space": ("x =\u00a01\n", 1),
    "zero_width_space": ("x = 1\u200b\n", 1),
    "invisible_sign_in_a_name": ("x\u2060y = 1\n", 1),
    "number_with_underscore": ("x = 1_\n", 1),
    "number_and_letters": ("x = 1abc\n", 1),
    "number_without_end": ("x = " + "9" * 5000 + "\n", 1),
    "backslash_at_the_end": ("x = 1 + \\\n", ANYWHERE),
    "walrus_alone": ("x := 1\n", 1),
    "match_without_case": ("match 1:\n    pass\n", ANYWHERE),
    "merge_conflict": ("x = 1\n<<<<<<" + "< HEAD\nx = 2\n=======\nx = 3\n>>>>>>" + "> other\n", 2),
    "a_web_page": ("<!DOCTYPE html>\n<html></html>\n", 1),
    "a_json_file": ('{"a": true, "b": null,}\n}', 2),
    "a_shell_script": ("#!/bin/sh\nset -e\necho hello | grep h\n", ANYWHERE),
    "prose": ("This file is still to be written.\n", 1),
    "too_many_parentheses": ("x = " + "(" * 300 + ")" * 300 + "\n", 1),
    "too_many_indents": (
        "".join(" " * n + "if True:\n" for n in range(150)) + " " * 150 + "pass\n",
        ANYWHERE,
    ),
    "too_many_blocks": (
        "".join(" " * n + "while True:\n" for n in range(30)) + " " * 30 + "pass\n",
        ANYWHERE,
    ),
}

_BYTES = {
    # Each name has its content – line – words.
    "latin_1_unannounced": (b"x = 1\nname = 'Andr\xe9'\n", 2, "not valid utf-8: byte 0xe9"),
    "cut_inside_a_sign": ("x = 'é".encode()[:-1], 1, "not valid utf-8"),
    "overlong_utf_8": (b"x = '\xc0\xaf'\n", 1, "not valid utf-8"),
    "encoded_surrogate": (b"x = '\xed\xa0\x80'\n", 1, "not valid utf-8"),
    "utf_16": ("x = 1\n".encode("utf-16"), 1, "not valid utf-8"),
    "utf_16_unannounced": ("x = 1\n".encode("utf-16-le"), 1, "NUL byte"),
    "utf_32": ("x = 1\n".encode("utf-32"), 1, "not valid utf-8"),
    "unknown_encoding": (b"# -*- coding: klingon -*-\nx = 1\n", 1, "klingon"),
    "unknown_encoding_in_line_two": (b"#!/usr/bin/python\n# coding=klingon\n", 1, "klingon"),
    "two_encodings": (b"\xef\xbb\xbf# coding: latin-1\nx = 1\n", 1, "encoding"),
    "ascii_with_more": ("# coding: ascii\nx = 'é'\n".encode(), 2, "not valid ascii"),
    "nul_at_the_start": (b"\0x = 1\n", 1, "NUL byte"),
    "nul_in_the_middle": (b"x = 1\ny = 2\nz = '\0'\n", 3, "NUL byte"),
    "nothing_but_nul": (b"\0" * 4096, 1, "NUL byte"),
    "a_picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 3, "NUL byte"),
    "an_archive": (gzip.compress(b"x = 1\n", mtime=0), 1, "NUL byte"),
    "compiled_code": (b"\xcb\r\r\n" + b"\0" * 12 + marshal.dumps(1), 2, "NUL byte"),
}

_DEEP = {
    # Each name has its source – code – line.
    "a_hundred_thousand_minuses": ("x = " + "-" * 100_000 + "1\n", "JK107", None),
    "a_hundred_thousand_sums": ("x = " + "+".join("1" * 100_000) + "\n", "JK107", None),
    "a_hundred_thousand_calls": ("x = " + "f(" * 300 + ")" * 300 + "\n", "JK102", 1),
    "a_hundred_thousand_attributes": ("x = y" + ".z" * 100_000 + "\n", "JK107", None),
}

KINDS = [
    *(Kind(name, source, "JK102", line, "Error: ") for name, (source, line) in _SYNTAX.items()),
    *(Kind(name, content, "JK103", line, words) for name, (content, line, words) in _BYTES.items()),
    *(Kind(name, source, code, line) for name, (source, code, line) in _DEEP.items()),
]
