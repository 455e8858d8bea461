"""Node ids of a plant file: each one that is accepted names a node, each other one is told why not."""

import contextlib
import string
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procwm.errors import SpecError
from procwm.plant.contract import ControlSettings
from procwm.plant.node_ids import NodeAddress, node_address
from procwm.plant.plantfile.specfile import parse_plant
from procwm.plant.tags import Role, Tag

GUID = "09087e75-8e5e-499b-954f-f2a9603db28a"


@pytest.mark.parametrize(
    ("text", "namespace", "identifier"),
    [
        ("ns=2;s=foo;nsu=bar;baz", 2, "foo;nsu=bar;baz"),
        ("s=foo;ns=2", 0, "foo;ns=2"),
        ("ns=2;s=EquipSetParam(E=93;SP=204)", 2, "EquipSetParam(E=93;SP=204)"),
        ("ns=2;s=V40;0;3", 2, "V40;0;3"),
        ("ns=2;s=O=::/#pc;B=::/#pc;S=pc;", 2, "O=::/#pc;B=::/#pc;S=pc;"),
        ("ns=2;s=Line1.nsuri=MACHINE.NS;s=x", 2, "Line1.nsuri=MACHINE.NS;s=x"),
        ('ns=3;s="DB_Proc"."temp"', 3, '"DB_Proc"."temp"'),
        ("ns=4;s=|var|PLC.App.x y", 4, "|var|PLC.App.x y"),
        ("nsu=urn:plant;s=nsu=other;x", "urn:plant", "nsu=other;x"),
        ("nsu=urn:a%3Bb;i=7", "urn:a;b", 7),
        ("i=2258", 0, 2258),
        ("ns=65535;i=4294967295", 65535, 4294967295),
        (f"ns=1;g={GUID}", 1, uuid.UUID(GUID)),
        ("ns=1;b=M/RbKBsRVkePCePcx24oRA==", 1, bytes.fromhex("33f45b281b1156478f09e3dcc76e2844")),
    ],
)
def test_a_node_id_is_its_namespace_and_all_that_follows(
    text: str, namespace: int | str, identifier: object
) -> None:
    assert node_address(text) == NodeAddress(namespace, identifier)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ns=70000;s=foo", "the namespace's index is 70000; it is a whole number from 0 to 65535"),
        ("ns=-1;s=x", "the namespace's index is -1"),
        ("ns=;s=x", "the namespace's index is empty"),
        ("ns=2.0;s=x", "the namespace's index is 2.0"),
        ("ns=²;s=x", "the namespace's index is ²"),
        ("ns=2;i=-1", "the number is -1; it is a whole number from 0 to 4294967295"),
        ("ns=2;i=4294967296", "the number is 4294967296"),
        ("ns=2;i= 5", "the number is  5"),
        ("ns=2;g=xyz", "a GUID is written as 09087e75"),
        ("ns=2;b=%%%", "bytes are written in base64"),
        ("ns=2;s=", "the identifier is empty"),
        ("nsu=;s=x", "the namespace's URI is empty"),
        ("i=0", "i=0 in namespace 0 is no node"),
        ("2:foo", "it is not ns=INDEX; or nsu=URI;"),
        ("", "it is not ns=INDEX; or nsu=URI;"),
        ("ns=2; s=x", "it is not ns=INDEX; or nsu=URI;"),
        ("svr=1;ns=2;s=x", "it is not ns=INDEX; or nsu=URI;"),
        (f"ns=2;s={'x' * 4097}", "the identifier has 4097 characters, at most 4096 are allowed"),
        ("ns=2;s=a\x1b[31mb", r"holds U\+001B, which cannot be seen; remove it"),
    ],
)
def test_what_can_be_no_node_is_refused_by_tag_text_and_reason(text: str, reason: str) -> None:
    with pytest.raises(SpecError, match=rf"TI1: node .*{reason}"):
        Tag(name="TI1", role=Role.CV, range=(0.0, 1.0), node=text)
    with pytest.raises(SpecError, match=rf"TI1: cascade_node .*{reason}"):
        Tag(name="TI1", role=Role.MV, range=(0.0, 1.0), cascade_node=text)
    with pytest.raises(SpecError, match=rf"TI1: forecast_node .*{reason}"):
        Tag(name="TI1", role=Role.DV, range=(0.0, 1.0), forecast_node=text)
    for key in ("heartbeat_node", "write_id_node", "write_until_node", "plant_heartbeat_node"):
        with pytest.raises(SpecError, match=rf"\[control\]: {key} .*{reason}"):
            ControlSettings(**{key: text})


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("ns=ui;gb,0123456789-. " + string.ascii_letters), max_size=20))
def test_every_text_names_a_node_or_is_refused(text: str) -> None:
    for written in (text, f"ns={text}", f"ns=2;{text}", f"ns=2;i={text}", f"nsu={text};s=x"):
        with contextlib.suppress(ValueError):
            assert node_address(written).identifier not in ("", b"")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('name = "TI\\u001b[2J1"', r"the tag name 'TI\\x1b\[2J1' holds U\+001B, which cannot be seen"),
        ('name = "TI1"\nunit = "deg\\rC"', r"TI1: unit 'deg\\rC' holds U\+000D, which cannot be seen"),
        ('name = "TI\\u2028"', r"holds U\+2028, which cannot be seen"),
        ('name = "TI\\u202E1"', r"holds U\+202E, which cannot be seen"),
        ('name = "TI\\u200B1"', r"the tag name 'TI\\u200b1' holds U\+200B, which cannot be seen"),
        ('name = "TI\\u00AD1"', r"holds U\+00AD, which cannot be seen"),
        ('name = "TI\\u2060"', r"holds U\+2060, which cannot be seen"),
        ('name = "\\u3164"', r"holds U\+3164, which cannot be seen"),
        ('name = "TI1\\uFE0F"', r"holds U\+FE0F, which cannot be seen"),
        ('name = "TI1\\U000E0101"', r"holds U\+E0101, which cannot be seen"),
    ],
)
def test_texts_that_would_command_a_screen_or_cannot_be_seen_are_refused(text: str, sentence: str) -> None:
    unit = "" if "unit" in text else 'unit = ""\n'
    with pytest.raises(SpecError, match=sentence):
        parse_plant(
            '[plant]\nname = "p"\ninterval_s = 1.0\n'
            f'[[tag]]\nrole = "CV"\nrange = [0, 1]\n{unit}{text}\n'
            '[[tag]]\nname = "u"\nrole = "MV"\nunit = ""\nrange = [0, 1]\n'
        )
