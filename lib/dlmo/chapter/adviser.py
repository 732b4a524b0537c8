"""The recommendation on a page: a form that answers without a kernel."""

import json
from html import escape
from typing import Any

from IPython.display import HTML

from dlmo.report import strategy
from dlmo.report.candidates import Catalogue

_NUMBERS = {
    "flash": "Flash, at most (KB)",
    "ram": "RAM, at most (KB)",
    "latency": "Latency, at most (times the float file's)",
    "accuracy": "Validation accuracy, at least (%)",
}


def adviser(found: Catalogue) -> HTML:
    """Return the form of the strategy page; it chooses among candidates as `recommend` does."""
    data = strategy.embedded(found)
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    return HTML(
        f'<div class="dlmo-strategy">{_form(data)}'
        '<output aria-live="polite"></output><div class="dlmo-strategy-more"></div>'
        "<noscript><p>This form needs JavaScript; <code>dlmo recommend</code> gives the same "
        "answers.</p></noscript>"
        f'<script type="application/json">{text}</script></div>'
    )


def _form(data: dict[str, Any]) -> str:
    datasets = {
        name: f"{one['title']} ({one['classes']} classes)" for name, one in data["datasets"].items()
    }
    fields = [
        _select("dataset", "Judged on", datasets),
        _select("runtime", "Runtime", data["runtimes"]),
        *(_number(name, label) for name, label in _NUMBERS.items()),
        '<label class="dlmo-strategy-box"><input type="checkbox" name="integers"> '
        "The device computes with integers only</label>",
    ]
    return (
        f'<form hidden aria-label="Limits of the device">{_buttons(data)}'
        f'<div class="dlmo-strategy-fields">{"".join(fields)}</div>'
        f"{_operators(data['operators'])}</form>"
    )


def _buttons(data: dict[str, Any]) -> str:
    names = [*data["services"], ""]
    buttons = (
        f'<button type="button" data-service="{name}">{name or "no limits"}</button>'
        for name in names
    )
    return f'<p class="dlmo-strategy-services">Services of the paper: {" ".join(buttons)}</p>'


def _select(name: str, label: str, options: dict[str, str]) -> str:
    inside = "".join(
        f'<option value="{escape(value, quote=True)}">{escape(said)}</option>'
        for value, said in options.items()
    )
    return f'<label>{label} <select name="{name}">{inside}</select></label>'


def _number(name: str, label: str) -> str:
    return (
        f'<label>{label} <input type="number" name="{name}" min="0" step="any" '
        'placeholder="no limit" inputmode="decimal"></label>'
    )


def _operators(names: list[str]) -> str:
    boxes = "".join(
        f'<label class="dlmo-strategy-box"><input type="checkbox" name="lacking" '
        f'value="{escape(name, quote=True)}"> <code>{escape(name)}</code></label>'
        for name in names
    )
    return (
        "<details><summary>Operators that the device lacks</summary>"
        f'<div class="dlmo-strategy-operators">{boxes}</div></details>'
    )
