"""Go templates: one table of templates, values and what Docker prints."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cowl.cli.template import TemplateError, TemplateSyntaxError, render_object, render_rows

VALUE: dict[str, Any] = {
    "Id": "sha256:abc",
    "RepoTags": ["a:1", "b:2"],
    "Empty": [],
    "Config": {
        "Env": ["PATH=/bin", "A=1"],
        "Cmd": None,
        "Labels": {"com.x/y": "z", "author": "me"},
        "Tty": False,
        "N": 5,
    },
    "Mounts": [{"Source": "/a", "RW": True}, {"Source": "/b", "RW": False}],
    "Float": 1.5,
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("plain", "plain"),
        ("{{.Id}}", "sha256:abc"),
        ("{{ .Id }}", "sha256:abc"),
        ("{{.ID}}", "sha256:abc"),  # the name that Docker's struct has
        ("{{.Config.N}}", "5"),
        ("{{.Float}}", "1.5"),
        ("{{.Config.Tty}}", "false"),
        ("{{.Config.Cmd}}", "<no value>"),
        ("{{.RepoTags}}", "[a:1 b:2]"),
        ("{{.Empty}}", "[]"),
        ("{{.Config.Labels}}", "map[author:me com.x/y:z]"),
        ("{{.Mounts}}", "[map[RW:true Source:/a] map[RW:false Source:/b]]"),
        ("{{.Config}}", "map[Cmd:<nil> Env:[PATH=/bin A=1] Labels:map[author:me com.x/y:z] N:5 Tty:false]"),
        ("{{.Config.Labels.author}}", "me"),
        ("{{.Config.Labels.nope}}", "<no value>"),
        ("{{json .Config.Env}}", '["PATH=/bin","A=1"]'),
        ("{{.Config.Labels | json}}", '{"com.x/y":"z","author":"me"}'),
        ("{{json .Config.Cmd}}", "null"),
        ("{{index .Config.Env 0}}", "PATH=/bin"),
        ('{{index .Config.Labels "com.x/y"}}', "z"),
        ('{{index .Config.Labels "nope"}}|', "|"),
        ("{{(index .Mounts 0).Source}}", "/a"),
        ('{{index .Mounts 1 "Source"}}', "/b"),
        ("{{len .RepoTags}}", "2"),
        ("{{.RepoTags | len}}", "2"),
        ("{{range .RepoTags}}{{.}};{{end}}", "a:1;b:2;"),
        ("{{range .Empty}}x{{else}}none{{end}}", "none"),
        ("{{range $i, $e := .RepoTags}}{{$i}}={{$e}} {{end}}", "0=a:1 1=b:2 "),
        ("{{range $k, $v := .Config.Labels}}{{$k}}:{{$v}},{{end}}", "author:me,com.x/y:z,"),
        ("{{range .Mounts}}{{.Source}}{{if .RW}} rw{{else}} ro{{end}}\n{{end}}", "/a rw\n/b ro\n"),
        ('{{range .RepoTags}}{{if eq . "b:2"}}{{break}}{{end}}{{.}}{{end}}', "a:1"),
        ('{{range .RepoTags}}{{if eq . "a:1"}}{{continue}}{{end}}{{.}}{{end}}', "b:2"),
        ("{{range .Mounts}}{{$.Id}} {{end}}", "sha256:abc sha256:abc "),
        ("{{if .Empty}}a{{else if .Config.Tty}}b{{else}}c{{end}}", "c"),
        ("{{with .Config}}{{.N}}{{end}}", "5"),
        ("{{with .Empty}}x{{else}}y{{end}}", "y"),
        ("{{$x := .Config.N}}{{$x}}{{$x = 6}}{{$x}}", "56"),
        ("{{$c := .Config}}{{$c.N}}", "5"),
        ("{{if and .Id (eq .Config.N 5)}}yes{{end}}", "yes"),
        ('{{or .Empty "default"}}', "default"),
        ("{{not .Empty}}", "true"),
        ('{{eq .Id "x" "sha256:abc"}}', "true"),
        ("{{ne .Config.N 4}} {{lt 1 2}} {{ge 1 2}}", "true true false"),
        ('{{lower "AbC"}} {{upper "AbC"}} {{title "ab cd"}}', "abc ABC Ab Cd"),
        ('{{join .RepoTags ", "}}', "a:1, b:2"),
        ('{{split "a/b/c" "/"}}', "[a b c]"),
        ('{{index (split "a/b/c" "/") 2}}', "c"),
        ("{{truncate .Id 6}}", "sha256"),
        ('{{pad "x" 2 1}}|', "  x |"),
        ("{{slice .Id 7 10}}", "abc"),
        ('{{println "a" 1 2}}', "a 1 2\n"),
        ('{{print "a" 1 2 "b"}}', "a1 2b"),
        ('{{printf "%s %v %d %q %t %%" "a" .RepoTags 3 "b\\"c" true}}', 'a [a:1 b:2] 3 "b\\"c" true %'),
        ('{{printf "%-5s|%5s|%05d|%x" "a" "b" 42 255}}', "a    |    b|00042|ff"),
        ('{{printf "%d" "x"}}', "%!d(string=x)"),
        ('{{printf "%s"}}', "%!s(MISSING)"),
        ('{{"a\\tb\\n"}}', "a\tb\n"),
        ("{{`raw\\n`}}", "raw\\n"),
        ("a {{- /* comment */ -}} b", "ab"),
        ("a  {{- .Config.N -}}  b", "a5b"),
        ("{{true}} {{1}} {{-1}} {{0x10}} {{1.5}}", "true 1 -1 16 1.5"),
        ('{{3 | printf "%03d"}}', "003"),
        ("json", json.dumps(VALUE, separators=(",", ":"))),
    ],
)
def test_templates(template: str, expected: str) -> None:
    assert render_object(template, VALUE) == expected


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{", "template parsing error: template: :1: unclosed action"),
        ("a\n{{.Id", "template parsing error: template: :2: unclosed action"),
        ("{{}}", "missing value for command"),
        ("{{if}}{{end}}", "missing value for command"),
        ("{{if .Id}}", "unexpected EOF"),
        ("{{end}}", "unexpected {{end}}"),
        ("{{nope .Id}}", "function 'nope' not defined"),
        ('{{"abc}}', "unterminated quoted string"),
        ("{{(.Id}}", "unclosed left paren"),
        ("{{.Id)}}", "unexpected ')'"),
        ("{{#}}", "unexpected '#' in action"),
        ('{{template "x"}}', "not part of cowl's templates"),
        ("{{" + "(" * 200 + "1}}", "deeper than"),
        ("{{if 1}}" * 200, "deeper than"),
        ("{{if 1}}" + "{{else if 1}}" * 5000, "deeper than"),
        ("{{break}}", "{{break}} outside {{range}}"),
        ("{{range .Empty}}{{end}}{{continue}}", "{{continue}} outside {{range}}"),
    ],
)
def test_syntax_errors(template: str, message: str) -> None:
    with pytest.raises(TemplateSyntaxError) as caught:
        render_object(template, VALUE)
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{.Nope}}", 'template: executing "" at <.Nope>: map has no entry for key "Nope"'),
        ("{{.Id.x}}", "can't evaluate field x"),
        ("{{index .Empty 0}}", "index out of range: 0"),
        ("{{index .Config.Cmd 0}}", "index of untyped nil"),
        ("{{len 3}}", "error calling len"),
        ("{{upper 3}}", "error calling upper"),
        ('{{eq 1 "1"}}', "incompatible types"),
        ("{{.Id 3}}", "can't give argument to non-function .Id"),
        ("{{$x}}", "undefined variable"),
        ("{{range 1.5}}{{end}}", "range can't iterate"),
    ],
)
def test_execution_errors(template: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        render_object(template, VALUE)
    assert message in caught.value.message


ROWS = [{"ID": "abc", "Names": "one"}, {"ID": "abcdefghijkl", "Names": "zwei"}]
HEADERS = {"ID": "CONTAINER ID", "Names": "NAMES"}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{{.ID}}", "abc\nabcdefghijkl\n"),
        ("{{.ID}}\\t{{.Names}}", "abc\tone\nabcdefghijkl\tzwei\n"),
        ("table {{.ID}}\\t{{.Names}}", "CONTAINER ID   NAMES\nabc            one\nabcdefghijkl   zwei\n"),
        ("table {{.Names}}\t{{.ID}}", "NAMES     CONTAINER ID\none       abc\nzwei      abcdefghijkl\n"),
        ("table {{upper .Names}}", "NAMES\nONE\nZWEI\n"),
        ("table {{json .ID}}", 'CONTAINER ID\n"abc"\n"abcdefghijkl"\n'),
        ("table {{truncate .ID 3}}:{{.Names}}", "CONTAINER ID:NAMES\nabc:one\nabc:zwei\n"),
        ("{{json .}}", '{"ID":"abc","Names":"one"}\n{"ID":"abcdefghijkl","Names":"zwei"}\n'),
    ],
)
def test_rows(template: str, expected: str) -> None:
    assert render_rows(template, ROWS, HEADERS) == expected


def test_a_field_that_rows_lack_names_those_that_there_are() -> None:
    with pytest.raises(TemplateError) as caught:
        render_rows("{{.Nmaes}}", ROWS, HEADERS)
    assert "can't evaluate field Nmaes" in caught.value.message
    assert "ID, Names" in caught.value.hint


def test_a_method_of_a_row_takes_arguments() -> None:
    rows = [{"ID": "abc", "Label": lambda key: {"a": "1"}.get(key, "")}]
    assert render_rows('{{.Label "a"}}{{.Label "b"}}|', rows, {}) == "1|\n"


_WORDS = "{{ }} {{- -}} . .Id $ $x := if end range else with ( ) | len index printf json 1 x break"
PIECES = st.sampled_from(
    [
        *_WORDS.split(),
        *(" ", '"', "`", "\\", "{{/*", "*/}}"),
    ]
)


@given(st.lists(PIECES, max_size=30).map("".join))
def test_any_text_renders_or_is_refused(template: str) -> None:
    try:
        render_object(template, VALUE)
    except TemplateError as error:
        assert error.message.startswith("template")
