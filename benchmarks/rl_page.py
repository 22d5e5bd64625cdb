"""The page docs/results/reinforcement.md and its picture, from the raw answers that benchmarks/rl.py keeps."""

import io
from collections.abc import Mapping
from typing import Any

from benchmarks import results
from musejax.reports import tables
from musejax.tuning import tuning_settings as configs

SEED = 0
# Melodies of the table, of each point of the curve, and of the copy check.
TABLE, CURVE, COPIES = 10000, 2000, 2000
LEASHES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
BATCHES, TURNS = (64, 256), 5

# RL Tuner's own settings but for the network: all rules at their amounts, c = 2, gamma = .5.
_RL_TUNER: Mapping[str, Any] = {
    "tuning.rewards": (("rules", 0.5),),
    "tuning.rules": configs.Tuning(base="").rules,
    "tuning.leash": 1.0,
    "training.batch_size": 64,
    "training.steps": 300,
    "optimizer.learning_rate": 1e-3,
}
# Name of the run -> how it differs from the policy gradient's experiment.
METHODS: Mapping[str, Mapping[str, Any]] = {
    "melody-rl-q": {**_RL_TUNER, "tuning.method": "q"},
    "melody-rl-psi": {**_RL_TUNER, "tuning.method": "psi"},
    "melody-rl-g": {**_RL_TUNER, "tuning.method": "g"},
    "melody-rl": {},
}
CURVE_FIELDS: Mapping[str, Any] = {"training.steps": 300, "training.eval_every": 300}
# (figure, what the page calls it, its denominator)
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


def percent(found: Mapping[str, Any]) -> str:
    """A share with its interval, in per cent."""
    if found["mean"] is None:
        return "-"
    low, high = (100 * end for end in found["interval"])
    return f"{100 * found['mean']:.2f} ({low:.2f}..{high:.2f})"


def value(found: Mapping[str, Any]) -> str:
    """A mean with its interval."""
    return tables.number(found["mean"], found["interval"])


def option(name: str, at: Any) -> list[str]:
    """A field as options of `musejax train`."""
    if name == "tuning.rules":
        return [f"--tuning.rules.{n.replace('_', '-')} {v:g}" for n, v in vars(at).items()]
    if name == "tuning.rewards":
        return ["--tuning.rewards " + " ".join(f"{reward} {factor:g}" for reward, factor in at)]
    return [f"--{name.replace('_', '-')} {at:g}" if isinstance(at, float) else f"--{name.replace('_', '-')} {at}"]


def commands_of(name: str) -> str:
    """How a run of `METHODS` is trained."""
    fields = METHODS[name]
    parts = [part for n, at in fields.items() for part in option(n, at)]
    lines = ["    musejax train melody-rl" + (f" --workdir runs/{name}" if fields else "")]
    for part in parts:
        if len(lines[-1]) + len(part) > 116:
            lines[-1] += " \\"
            lines.append("       ")
        lines[-1] += " " + part
    return "\n".join(lines)


def table_page(raw: Mapping[str, Any]) -> str:
    """The table before and after, and the published one."""
    found = raw.get("table")
    if not found:
        return ""
    rows = found["rows"]
    lines = [["", *rows]]
    for name, what, of in FIGURES:
        lines.append([f"{what}, % {of}", *(percent(row[name]) for row in rows.values())])
    lines.append(["different runs of 4 notes, % of all", *(f"{100 * r['distinct_4grams']:.2f}" for r in rows.values())])
    lines.append(["different melodies, %", *(f"{100 * r['distinct_melodies']:.2f}" for r in rows.values())])
    for name, what in (
        ("nll_per_token_under_prior", "nats a token under the prior"),
        ("kl", "KL from the prior, nats a melody"),
        ("notes", "notes a melody"),
    ):
        lines.append([what, *(value(row[name]) for row in rows.values())])
    test = tables.number(found["test"]["nll_per_token"], found["test"]["interval"])
    head = f"{found['num']:,} melodies each. The prior is `{found['prior']}`, test NLL {test} nats a token."
    theirs = [["RL Tuner, as published, %", "note RNN", "Q", "Psi", "G"]]
    theirs += [[what, *(f"{x:g}" for x in PUBLISHED[name])] for name, what, _ in FIGURES]
    return "\n\n".join([head, results.markdown_table(lines), results.markdown_table(theirs)])


def leash_page(raw: Mapping[str, Any]) -> str:
    """The curve as a table, beside the picture."""
    found = raw.get("leash")
    if not found:
        return ""
    head = ["leash", "reward", "KL, nats a melody", "nats a token under the prior", "different runs of 4 notes",
            "self-similarity", "leaps resolved", "in a motif"]  # fmt: skip
    lines = [head]
    for name, at in (("the prior", found["prior"]), *((f"{p['leash']:g}", p) for p in found["points"])):
        lines.append([
            name, value(at["reward"]), value(at["kl"]), value(at["nll_per_token_under_prior"]),
            f"{at['distinct_4grams']:.4f}", f"{at['self_similarity']:.3f}", value(at["leaps_resolved"]),
            value(at["in_motif"]),
        ])  # fmt: skip
    told = f"{found['num']:,} melodies a point. The leash of `melody-rl` is {found['shipped']:g}."
    return "\n\n".join([told, "![Reward and what it costs, over the leash](../images/reinforcement-leash.png)",
                        results.markdown_table(lines)])  # fmt: skip


def copies_page(raw: Mapping[str, Any]) -> str:
    """The copy check."""
    found = raw.get("copies")
    if not found:
        return ""
    lines = [["", "notes a melody", "longest copied run: median", "ninth decile", "max", "all of its notes, %"]]
    for name, side in found.items():
        cells = [f"{side['notes']:.1f}", f"{side['median']:g}", f"{side['ninth_decile']:g}", str(side["max"])]
        lines.append([name, *cells, f"{100 * side['whole']:.1f}"])
    return results.markdown_table(lines)


def speed_page(raw: Mapping[str, Any]) -> str:
    """Melodies a second."""
    found = raw.get("speed")
    if not found:
        return ""
    lines = [["melodies a step", "one compiled call", "Python loop over tokens", "one melody after the other"]]
    for row in found["rows"]:
        loops = [f"{row[n]:,.0f} (1/{row['compiled'] / row[n]:.1f})" for n in ("loop", "one_by_one")]
        lines.append([str(row["batch"]), f"{row['compiled']:,.0f}", *loops])
    return f"Melodies of {found['length']} tokens a second, on {found['device']}.\n\n" + results.markdown_table(lines)


def picture(found: Mapping[str, Any]) -> bytes:
    """A PNG: reward, distance from the prior and diversity over the leash."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(11, 5.4), dpi=120, facecolor="white", layout="constrained")
    panels = (
        ("reward", "reward of a melody"),
        ("kl", "KL from the prior, nats a melody"),
        ("nll_per_token_under_prior", "nats a token under the prior"),
        ("distinct_4grams", "different runs of four notes, share"),
        ("self_similarity", "self-similarity"),
        ("in_motif", "tokens in a motif, share"),
    )
    points = found["points"]
    at = [p["leash"] for p in points]
    for axes, (name, title) in zip(drawn.subplots(2, 3).ravel(), panels, strict=True):
        sides = [p[name] for p in (*points, found["prior"])]
        middle = [side["mean"] if isinstance(side, dict) else side for side in sides]
        axes.axhline(middle[-1], color="#8A9099", linewidth=1, linestyle="dotted", label="the prior")
        axes.axvline(found["shipped"], color="#D55E00", linewidth=1, linestyle="dashed", label="melody-rl")
        axes.plot(at, middle[:-1], color="#0072B2", linewidth=1.4, marker="o", markersize=3.5)
        if isinstance(sides[0], dict):
            low, high = zip(*(side["interval"] for side in sides[:-1]))
            axes.fill_between(at, low, high, color="#0072B2", alpha=0.18, linewidth=0)
        axes.set_xscale("log", base=2)
        axes.set_xticks(at, [f"{x:g}" for x in at])
        axes.set_title(title, fontsize=10, loc="left")
        axes.tick_params(labelsize=8)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    for axes in drawn.axes[-3:]:
        axes.set_xlabel("leash", fontsize=9)
    drawn.legend(*drawn.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    FigureCanvasAgg(drawn)
    out = io.BytesIO()
    drawn.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()


TEXT = f"""# Reinforcement learning

Written by `python -m benchmarks.rl`. Melodies have 32 tokens and are drawn at temperature 1 without masks, with seed
{SEED}; intervals are 95 % bootstrap intervals over melodies.

## Tune a model of yours

    musejax train melody-rl --tuning.base runs/mine --tuning.rewards rules 0.1 --tuning.leash 1

An experiment with the field `tuning` starts from a trained run, the prior, and raises

    E[reward] - leash x KL(tuned, prior)

over whole pieces that it draws itself. Data tell the pieces their conditions, the window is their length, the batch
their number a step. What comes out is an ordinary run. Any left-to-right model of any codec can be tuned.

| `--tuning.rewards NAME FACTOR ...` | what it rewards |
|---|---|
| `rules` | RL Tuner's music rules; `--tuning.rules.key 2` doubles one of them, 0 leaves it out |
| `nearness` | being, as a set, like the training pieces: the energy distance of pitch classes, intervals, density |
| `variety` | runs of four notes that are seldom among those drawn in the same step, up to transposition |
| `critic:RUN` | the log-likelihood under another run |
| `FILE.py:FUNCTION` | a function of yours |

A function gets `tokens` int32[N, T] (`frames` for switches), `length` int32[N] and the conditions, and returns
float[N], or float[N, T] by frame. What JAX can trace becomes part of the compiled step:

    def few_notes(arrays):
        return -(arrays["tokens"] > 1).sum(1)

`--tuning.method` is `policy` (policy gradient, leave-one-out baseline; with `--tuning.normalise` group-relative),
`preferences` (DPO on the best and the worst of each `--tuning.group`; pairs of your own through
`musejax.tuning.preferences.Pairs`), or RL Tuner's `q`, `psi` and `g`.

## RL Tuner's table

{{commands}}
    musejax evaluate melody-rl --rules --num {TABLE} --seed {SEED} --json

The rewards of Q, Psi and G are all rules at the amounts of RL Tuner, r/c with c = 2. Those of the policy gradient are

{{rewards}}

{{table}}

What the rules find, what of RL Tuner's is corrected and what is kept stands in `musejax/tuning/melody_features.py`. Its
note RNN was another net on other data, and it counted a note as repeated from the third 16th on that it is held (its
ids of hold and note-off are exchanged), so that its table and ours are not of one measure in the first row.

## The leash

    python -m benchmarks.rl --only leash

Policy gradients of {CURVE_FIELDS["training.steps"]} steps that differ in the leash alone. Self-similarity is
how often two melodies have the same token at the same place.

{{leash}}

## Copies

    python -m benchmarks.rl --only copies

The longest run of notes that is also found in a training tune, in any transposition and any rhythm, of {COPIES:,}
melodies; held-out tunes are {COPIES:,} stretches of 32 tokens of the test split. Melodies with more notes have longer
runs.

{{copies}}

## Speed

    python -m benchmarks.rl --only speed

A step of the policy gradient (draw, score, update) in one compiled call, and the same by its compiled parts from
Python: token by token for the whole batch, and for one melody after the other as RL Tuner draws.

{{speed}}
"""


def rewards_of(raw: Mapping[str, Any]) -> str:
    """The factors of the policy gradient's rewards."""
    told = raw["rewards"]
    sums = ", ".join(f"{name} x {factor:g}" for name, factor in told["rewards"])
    factors = ", ".join(f"{name} {value:g}" for name, value in told["rules"].items() if name != "tonic")
    return f"{sums}, leash {told['leash']:g}; the rules by the factors {factors}."


def page(raw: Mapping[str, Any]) -> str:
    """The page."""
    parts = {
        "table": table_page(raw),
        "leash": leash_page(raw),
        "copies": copies_page(raw),
        "speed": speed_page(raw),
    }
    told = {name: part or "Not measured yet." for name, part in parts.items()}
    return TEXT.format(commands="\n".join(map(commands_of, METHODS)), rewards=rewards_of(raw), **told)
