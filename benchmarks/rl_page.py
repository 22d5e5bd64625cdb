"""The page docs/results/reinforcement.md and its picture, from the raw results that benchmarks/rl.py stores."""

import io
from collections.abc import Mapping
from typing import Any

from benchmarks import results
from musejax.reports import tables
from musejax.tuning import tuning_settings as configs

SEED = 0
# Melodies in the table, at each point of the curve, and in the copy check.
TABLE, CURVE, COPIES = 10000, 2000, 2000
LEASHES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
BATCHES, TURNS = (64, 256), 5

# RL Tuner's own settings except for the network: all rules at their amounts, c = 2, gamma = 0.5.
_RL_TUNER: Mapping[str, Any] = {
    "tuning.rewards": (("rules", 0.5),),
    "tuning.rules": configs.Tuning(base="").rules,
    "tuning.leash": 1.0,
    "training.batch_size": 64,
    "training.steps": 300,
    "optimizer.learning_rate": 1e-3,
}
# Name of the run -> fields that differ from the experiment of the policy gradient.
METHODS: Mapping[str, Mapping[str, Any]] = {
    "melody-rl-q": {**_RL_TUNER, "tuning.method": "q"},
    "melody-rl-psi": {**_RL_TUNER, "tuning.method": "psi"},
    "melody-rl-g": {**_RL_TUNER, "tuning.method": "g"},
    "melody-rl": {},
}
CURVE_FIELDS: Mapping[str, Any] = {"training.steps": 300, "training.eval_every": 300}
# Figure, label, denominator.
FIGURES = (
    ("repeated", "excessively repeated", "of all tokens"),
    ("not_in_key", "not in key", "of all tokens"),
    ("starts_on_tonic", "start on the tonic", "of melodies"),
    ("leaps_resolved", "leaps resolved", "of leaps that are resolved or doubled"),
    ("unique_highest", "unique highest note", "of melodies"),
    ("in_motif", "in a motif", "of all tokens; at most 25 in 32"),
)
# RL Tuner's table (Jaques et al., 2017), per cent of 100,000 melodies: note RNN, Q, Psi, G.
PUBLISHED = {
    "repeated": (63.3, 0.0, 0.02, 0.03),
    "not_in_key": (0.1, 1.0, 0.6, 28.7),
    "starts_on_tonic": (0.9, 28.8, 28.7, 0.0),
    "leaps_resolved": (77.2, 91.1, 90.0, 52.2),
    "unique_highest": (64.7, 56.4, 59.4, 37.1),
    "in_motif": (5.9, 75.7, 73.8, 69.3),
}


def format_percent(figure: Mapping[str, Any]) -> str:
    """Formats a share and its interval in per cent."""
    if figure["mean"] is None:
        return "-"
    low, high = (100 * end for end in figure["interval"])
    return f"{100 * figure['mean']:.2f} ({low:.2f}..{high:.2f})"


def format_mean(figure: Mapping[str, Any]) -> str:
    """Formats a mean and its interval."""
    return tables.number(figure["mean"], figure["interval"])


def to_options(name: str, value: Any) -> list[str]:
    """Converts a field to options of `musejax train`."""
    if name == "tuning.rules":
        return [f"--tuning.rules.{n.replace('_', '-')} {v:g}" for n, v in vars(value).items()]
    if name == "tuning.rewards":
        return ["--tuning.rewards " + " ".join(f"{reward} {factor:g}" for reward, factor in value)]
    return [f"--{name.replace('_', '-')} " + (f"{value:g}" if isinstance(value, float) else str(value))]


def training_command(name: str) -> str:
    """Returns the command that trains a run of `METHODS`, as an indented block."""
    fields = METHODS[name]
    parts = [part for field, value in fields.items() for part in to_options(field, value)]
    lines = ["    musejax train melody-rl" + (f" --workdir runs/{name}" if fields else "")]
    for part in parts:
        if len(lines[-1]) + len(part) > 116:
            lines[-1] += " \\"
            lines.append("       ")
        lines[-1] += " " + part
    return "\n".join(lines)


def training_commands() -> str:
    """Returns the commands that train all runs; RL Tuner's methods share one that differs in the method alone."""
    methods = [name for name, fields in METHODS.items() if fields]
    first, *others = methods
    also = " and ".join(f"`{METHODS[name]['tuning.method']}` (`{name}`)" for name in others)
    own = "\n".join(training_command(name) for name in METHODS if name not in methods)
    text = f"Replace the method and the folder to train {also}. The policy gradient:"
    return "\n\n".join([training_command(first), text, own])


def before_and_after_tables(raw: Mapping[str, Any]) -> str:
    """Returns the table of all runs and the published one."""
    section = raw.get("table")
    if not section:
        return ""
    rows = section["rows"]
    lines = [["", *rows]]
    for name, label, of in FIGURES:
        lines.append([f"{label}, % {of}", *(format_percent(row[name]) for row in rows.values())])
    lines.append(["distinct runs of 4 notes, % of all", *(f"{100 * r['distinct_4grams']:.2f}" for r in rows.values())])
    lines.append(["distinct melodies, %", *(f"{100 * r['distinct_melodies']:.2f}" for r in rows.values())])
    for name, label in (
        ("nll_per_token_under_prior", "nats per token under the prior"),
        ("kl", "KL from the prior, nats per melody"),
        ("notes", "notes per melody"),
    ):
        lines.append([label, *(format_mean(row[name]) for row in rows.values())])
    test = tables.number(section["test"]["nll_per_token"], section["test"]["interval"])
    version = f" (measured with version {section['test']['version']})" if "version" in section["test"] else ""
    head = (
        f"{section['num']:,} melodies from each run. The prior is `{section['prior']}`, whose test split costs {test} "
    )
    head += f"nats per token{version}."
    theirs = [["RL Tuner, as published, %", "note RNN", "Q", "Psi", "G"]]
    theirs += [[label, *(f"{x:g}" for x in PUBLISHED[name])] for name, label, _ in FIGURES]
    return "\n\n".join([head, results.markdown_table(lines), results.markdown_table(theirs)])


def leash_section(raw: Mapping[str, Any]) -> str:
    """Returns the curve as a picture and a table."""
    section = raw.get("leash")
    if not section:
        return ""
    head = ["leash", "reward", "KL, nats per melody", "nats per token under the prior", "distinct runs of 4 notes",
            "self-similarity", "leaps resolved", "in a motif"]  # fmt: skip
    lines = [head]
    for name, point in (("the prior", section["prior"]), *((f"{p['leash']:g}", p) for p in section["points"])):
        lines.append([
            name, format_mean(point["reward"]), format_mean(point["kl"]),
            format_mean(point["nll_per_token_under_prior"]), f"{point['distinct_4grams']:.4f}",
            f"{point['self_similarity']:.3f}", format_mean(point["leaps_resolved"]), format_mean(point["in_motif"]),
        ])  # fmt: skip
    head = f"{section['num']:,} melodies at each point. The leash of `melody-rl` is {section['shipped']:g}."
    return "\n\n".join([head, "![Reward, divergence and diversity over the leash](../images/reinforcement-leash.png)",
                        results.markdown_table(lines)])  # fmt: skip


def copies_table(raw: Mapping[str, Any]) -> str:
    """Returns the table of the copy check."""
    section = raw.get("copies")
    if not section:
        return ""
    lines = [["", "notes per melody", "copied run: median", "ninth decile", "longest", "copied whole, % of melodies"]]
    for name, side in section.items():
        cells = [f"{side['notes']:.1f}", f"{side['median']:g}", f"{side['ninth_decile']:g}", str(side["max"])]
        lines.append([name, *cells, f"{100 * side['whole']:.1f}"])
    return results.markdown_table(lines)


def speed_section(raw: Mapping[str, Any]) -> str:
    """Returns the table of melodies per second."""
    section = raw.get("speed")
    if not section:
        return ""
    lines = [["melodies per step", "one compiled call", "Python loop over tokens", "one melody at a time"]]
    for row in section["rows"]:
        loops = [f"{row[n]:,.0f} (1/{row['compiled'] / row[n]:.1f})" for n in ("loop", "one_by_one")]
        lines.append([str(row["batch"]), f"{row['compiled']:,.0f}", *loops])
    head = f"Melodies of {section['length']} tokens per second on a {section['device'].upper()}; in parentheses, "
    return f"{head}relative to one compiled call.\n\n" + results.markdown_table(lines)


def picture(curve: Mapping[str, Any]) -> bytes:
    """Draws a PNG of reward, divergence from the prior and diversity over the leash."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5.4), dpi=120, facecolor="white", layout="constrained")
    panels = (
        ("reward", "reward per melody"),
        ("kl", "KL from the prior, nats per melody"),
        ("nll_per_token_under_prior", "nats per token under the prior"),
        ("distinct_4grams", "distinct runs of four notes, share"),
        ("self_similarity", "self-similarity"),
        ("in_motif", "tokens in a motif, share"),
    )
    points = curve["points"]
    leashes = [p["leash"] for p in points]
    for axes, (name, title) in zip(figure.subplots(2, 3).ravel(), panels, strict=True):
        sides = [p[name] for p in (*points, curve["prior"])]
        middle = [side["mean"] if isinstance(side, dict) else side for side in sides]
        axes.axhline(middle[-1], color="#8A9099", linewidth=1, linestyle="dotted", label="the prior")
        axes.axvline(curve["shipped"], color="#D55E00", linewidth=1, linestyle="dashed", label="melody-rl")
        axes.plot(leashes, middle[:-1], color="#0072B2", linewidth=1.4, marker="o", markersize=3.5)
        if isinstance(sides[0], dict):
            low, high = zip(*(side["interval"] for side in sides[:-1]))
            axes.fill_between(leashes, low, high, color="#0072B2", alpha=0.18, linewidth=0)
        axes.set_xscale("log", base=2)
        axes.set_xticks(leashes, [f"{x:g}" for x in leashes])
        axes.set_title(title, fontsize=10, loc="left")
        axes.tick_params(labelsize=8)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    for axes in figure.axes[-3:]:
        axes.set_xlabel("leash", fontsize=9)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    FigureCanvasAgg(figure)
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


TEXT = f"""# Reinforcement learning

What does tuning a melody model by music rules change, and what does it cost?

`melody-rl`, tuned from `melody-lstm` with a policy gradient, nearly stops repeating events excessively (5.2 % of tokens
before, 0.01 % after), resolves more of its leaps (87 % before, 92 % after) and writes twice as many motifs (37 % of
tokens before, 70 % after). The price is a KL divergence of 3.5 nats per melody and fewer different runs of notes.
RL Tuner's methods Q, Psi and G, given RL Tuner's own rewards, improve the same figures but write fewer motifs.

`python -m benchmarks.rl` trains and measures all of it and writes this page. Melodies have 32 tokens and are sampled at
temperature 1 without masks, with seed {SEED}. Numbers in parentheses are 95 % bootstrap intervals over melodies. How to
tune a model of your own is in [tuning by rewards](../how-to/tune-by-rewards.md).

## RL Tuner's table

{{commands}}

Then, for each run:

    musejax evaluate melody-rl --rules --num {TABLE} --seed {SEED} --json

Q, Psi and G have all rules at RL Tuner's amounts, r/c with c = 2. The rewards of the policy gradient are {{rewards}}

{{table}}

`musejax/tuning/melody_features.py` defines what the rules count, and lists which parts of RL Tuner are corrected and
which are kept. RL Tuner's note RNN was another network on other data. It also exchanged the ids of hold and note-off,
and so counted a held note as repeated from the third 16th on; the first rows of the two tables are therefore not
comparable.

## The leash

    python -m benchmarks.rl --only leash

Policy gradients of {CURVE_FIELDS["training.steps"]} steps that differ only in the leash, the cost of a nat of KL
divergence from the prior in units of reward. *Self-similarity* is how often two melodies have the same token at the
same position.

{{leash}}

## Copies

    python -m benchmarks.rl --only copies

The longest run of notes that also occurs in a training tune, in any transposition and any rhythm, over {COPIES:,}
melodies. Held-out tunes are {COPIES:,} stretches of 32 tokens of the test split. Melodies with more notes have longer
runs.

{{copies}}

## Speed

    python -m benchmarks.rl --only speed

One step of the policy gradient (sample, score, update) in one compiled call, compared with the same compiled parts
called from Python: token by token for the whole batch, or for one melody at a time as in RL Tuner.

{{speed}}
"""


def rewards_text(raw: Mapping[str, Any]) -> str:
    """Returns the factors of the policy gradient's rewards as the end of a sentence."""
    settings = raw["rewards"]
    rewards = " and ".join(f"`{name}` x {factor:g}" for name, factor in settings["rewards"])
    factors = ", ".join(f"{name} {value:g}" for name, value in settings["rules"].items() if name != "tonic")
    return f"{rewards}, with leash {settings['leash']:g} and these factors of the rules: {factors}."


def page(raw: Mapping[str, Any]) -> str:
    """Returns the page."""
    parts = {
        "table": before_and_after_tables(raw),
        "leash": leash_section(raw),
        "copies": copies_table(raw),
        "speed": speed_section(raw),
    }
    sections = {name: part or "Not measured yet." for name, part in parts.items()}
    return TEXT.format(commands=training_commands(), rewards=rewards_text(raw), **sections)
