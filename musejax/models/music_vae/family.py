"""The VAE family: MusicVAE (Roberts et al., 2018) over melodies, drums and trios, and GrooVAE over drum performances.

A bidirectional encoder maps a piece of fixed length to a normal distribution over latent vectors z. A decoder samples
the piece frame by frame, conditioned on z: a flat decoder on z itself, a hierarchical one on the contexts that a
conductor makes from z, one per segment. The streams of a frame are independent given z and the frames before. Frames of
the codec `groove` are rows of real numbers (Gillick et al., 2019), whose likelihood is in `decoding/groove_frames.py`.
With `humanize` the encoder reads only their hits on the grid, as in a drum machine, and the decoder adds velocities and
timing.

The loss is the mean over frames of the reconstruction cost plus the KL weight times the KL divergence above its free
bits, in nats. Scheduled sampling samples its inputs in a separate pass without gradients; the loss is then computed
with these inputs as usual.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import linen as nn

from musejax import vocabulary as vocabularies
from musejax.array_types import Array, Float, Key
from musejax.base import Batch, Family, Model
from musejax.decoding import groove_frames
from musejax.models.music_vae import attention_parts, frame_layout, latent_model, place_weights, scheduled_sampling
from musejax.models.shared import configs
from musejax.nn import conditioning, latent_layers, transformer_stack


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """The config of a MusicVAE.

    Attributes:
        latent: Size Z of the latent vector.
        encoder_hidden: Units of each direction of the encoder.
        encoder_layers: Number of layers of the encoder.
        hidden: Units of the decoder's layers.
        num_layers: Number of layers of the decoder.
        heads: Number of attention heads of Transformer blocks in place of LSTM layers; encoder and decoder then have
            `num_layers` blocks of width `hidden` each (models/music_vae/attention_parts.py). 0 for LSTMs.
        conductor: Units of the conductor; 0 for a flat decoder.
        conductor_layers: Number of layers of the conductor.
        segment: Number of frames in a segment, with a conductor.
        places: Number of frames in a piece, if encoder and decoder have weights for each frame (`place_weights.py`),
            with `encoder_layers` layers of `encoder_hidden` units over them. With a conductor, each segment then has a
            share of z. 0 for MusicVAE's recurrent encoder, with z concatenated to every input.
        factors: Rank of these weights.
        nade: Hidden units of a NADE over the bits of a frame; 0 leaves bits independent.
        humanize: Whether the encoder reads only the hits of a groove.
        spread: Standard deviation of a groove's velocities (in 0..1) and offsets (in frames) around the output.
        conditions: Names of the vocabulary's conditions that encoder and decoder read.
        condition_dropout: Share of training pieces whose conditions are hidden, for classifier-free guidance.
        dropout: Dropout rate of the decoder's layers.
        max_beta: Largest KL weight.
        beta_rate: Rate of the KL weight's schedule, max_beta * (1 - beta_rate ** step).
        free_bits: KL divergence of a piece, in bits, that costs nothing.
        free_bits_per_dimension: Mean KL divergence of each dimension over the batch, in bits, that costs nothing.
        sampling: Schedule of the share of decoder inputs that are sampled from the model in training: `none`,
            `constant` (rate), `exponential` (1 - rate ** step), `inverse_sigmoid` (1 - rate / (rate + e^(step/rate))).
        sampling_rate: Rate of that schedule.
    """

    latent: int = 256
    encoder_hidden: int = 512
    encoder_layers: int = 1
    hidden: int = 256
    num_layers: int = 2
    heads: int = 0
    conductor: int = 0
    conductor_layers: int = 2
    segment: int = 16
    places: int = 0
    factors: int = 512
    nade: int = 0
    humanize: bool = False
    spread: float = 0.1
    conditions: tuple[str, ...] = ()
    condition_dropout: float = 0.0
    dropout: float = 0.0
    max_beta: float = 0.2
    beta_rate: float = 0.99999
    free_bits: float = 0.0
    free_bits_per_dimension: float = 0.0
    sampling: Literal["none", "constant", "exponential", "inverse_sigmoid"] = "none"
    sampling_rate: float = 0.0


MELODY_2BAR = Config(sampling="inverse_sigmoid", sampling_rate=1000)
MELODY_2BAR_BIG = Config(
    latent=512, encoder_hidden=2048, hidden=2048, num_layers=3, max_beta=0.5, sampling="inverse_sigmoid",
    sampling_rate=1000,
)  # fmt: skip
MELODY_2BAR_CHORDS = dataclasses.replace(
    MELODY_2BAR, encoder_hidden=1024, hidden=512, num_layers=3, conditions=("chord",), condition_dropout=0.1
)
DRUMS_2BAR = Config(free_bits=48, sampling="inverse_sigmoid", sampling_rate=1000)
GROOVE_4BAR = Config(free_bits=48)
# Our own networks, in which each frame has weights of its own.
PLACES_2BAR = Config(
    latent=128, encoder_layers=2, num_layers=1, places=32, factors=1024, conditions=("beat",), beta_rate=0.995
)
# 16 bars in segments of two bars.
PLACES_16BAR = dataclasses.replace(PLACES_2BAR, latent=512, conductor=512, places=256, segment=32)
MELODY_16BAR = Config(latent=512, encoder_hidden=2048, encoder_layers=2, hidden=2048, num_layers=3, free_bits=256)

# name -> (codec, config). The sizes are those of Magenta's model files.
PRESETS: Mapping[str, tuple[str, Config]] = {
    "mel-2bar-small": ("melody-90", MELODY_2BAR),
    "mel-2bar-big": ("melody-90", MELODY_2BAR_BIG),
    "mel-2bar-places": ("melody-90", PLACES_2BAR),
    "mel-2bar-chords": ("melody-90-chords", MELODY_2BAR_CHORDS),
    "drums-2bar-small": ("drums", DRUMS_2BAR),
    "drums-2bar-big": (
        "drums",
        dataclasses.replace(DRUMS_2BAR, latent=512, encoder_hidden=2048, hidden=2048, num_layers=3),
    ),
    "drums-2bar-nade": (
        "drums-bits",
        dataclasses.replace(DRUMS_2BAR, encoder_hidden=1024, hidden=512, nade=128),
    ),
    "mel-16bar-flat": ("melody-90", MELODY_16BAR),
    "mel-16bar-hierarchical": (
        "melody-90",
        dataclasses.replace(MELODY_16BAR, hidden=1024, num_layers=2, conductor=1024),
    ),
    "mel-16bar-places": ("melody-90", PLACES_16BAR),
    "trio-16bar-flat": ("trio", MELODY_16BAR),
    "trio-16bar-hierarchical": (
        "trio",
        dataclasses.replace(MELODY_16BAR, hidden=1024, num_layers=2, conductor=1024),
    ),
    "groove-4bar": ("groove", GROOVE_4BAR),
    "groove-4bar-humanize": ("groove", dataclasses.replace(GROOVE_4BAR, humanize=True)),
}


class Net(nn.Module):
    """The encoder, conductor and decoders.

    Attributes:
        config: The family's config.
        frame: Layout of a frame.
    """

    config: Config
    frame: frame_layout.Frame

    def setup(self) -> None:
        """Creates the modules."""
        config = self.config
        blocks = attention_parts.shape_of(config) if config.heads else None
        if config.places:
            sizes = (config.places, config.factors, config.encoder_hidden, config.encoder_layers, config.latent)
            self.encoder: Any = place_weights.Encoder(*sizes, config.segment if config.conductor else 0)
            if blocks:
                self.reader = attention_parts.Reader(blocks)
            if config.conductor:
                inner = (config.factors, config.conductor, config.hidden)
                self.conductor: Any = place_weights.Conductor(config.places, config.segment, *inner)
            else:
                self.conductor = place_weights.Contexts(config.places, config.factors, config.hidden)
        else:
            shape = (config.encoder_hidden, config.encoder_layers)
            self.encoder = (
                attention_parts.Encoder(blocks, config.latent)
                if blocks
                else latent_layers.Encoder(*shape, config.latent)
            )
            if config.conductor:
                self.conductor = latent_layers.Conductor(config.conductor_layers, config.conductor)
        join = config.hidden if config.places else 0
        outputs = [part.outputs for part in self.frame.parts]
        if blocks:
            self.decoders: Any = [attention_parts.Decoder(blocks, num, join) for num in outputs]
        else:
            shape = (config.num_layers, config.hidden)
            self.decoders = [latent_layers.Decoder(*shape, num, config.dropout, join) for num in outputs]

    def encode(self, batch: Batch) -> tuple[Float[Array, "B Z"], Float[Array, "B Z"]]:
        """Encodes pieces as mean and scale, float32[B, Z] each."""
        x = self.frame.inputs(batch)
        if self.config.humanize:
            x = x[..., : groove_frames.HITS]
        x = jnp.concatenate([x, *self.frame.condition_inputs(batch)], axis=-1)
        lengths = jnp.asarray(batch["pad_mask"]).sum(1)
        if self.config.heads and self.config.places:  # each frame by itself and in its context
            x = jnp.concatenate([x, self.reader(x, lengths)[:, 1:]], axis=-1)
        return self.encoder(x, lengths)

    def contexts(self, z: Float[Array, "B Z"], segments: int) -> Float[Array, "B U C"]:
        """Maps float[B, Z] to contexts float[B, U, C], one per segment or per frame."""
        return self.conductor(z, segments) if self.config.conductor or self.config.places else z[:, None]

    def decode(
        self, before: Batch, contexts: Float[Array, "B U C"], key: Key[Array, ""] | None
    ) -> tuple[Float[Array, "B T _"], ...]:
        """Returns the output of each decoder, float[B, T, O], from T previous frames (a multiple of the segment)."""
        num, segments = contexts.shape[:2]
        if self.config.places:
            segments = max(1, segments // self.config.segment) if self.config.conductor else 1
            each = contexts.reshape(num * segments, -1, contexts.shape[-1])
        else:
            each = contexts.reshape(num * segments, -1)
        out = []
        for i, (part, decoder) in enumerate(zip(self.frame.parts, self.decoders, strict=True)):
            x = jnp.concatenate([self.frame.inputs(before, part), *self.frame.condition_inputs(before)], axis=-1)
            x = x.reshape(num * segments, x.shape[1] // segments, -1)
            y = decoder(x, each, None if key is None else jax.random.fold_in(key, i))
            out.append(y.reshape(num, -1, part.outputs))
        return tuple(out)

    def initial(self, contexts: Float[Array, "N U C"]) -> tuple[Any, ...]:
        """Returns each decoder's initial states of R segments, (h, c) float[N R, H] for each layer."""
        if self.config.places:
            contexts = contexts[:, :: self.config.segment] if self.config.conductor else contexts[:, :1]
        flat = contexts.reshape(-1, contexts.shape[-1])
        return tuple(decoder.begin(flat) for decoder in self.decoders)

    def __call__(self, batch: Batch, before: Batch, z: Float[Array, "B Z"], segments: int) -> Any:
        """Runs all modules once, to create the parameters."""
        contexts = self.contexts(z, segments)
        return self.encode(batch), self.decode(before, contexts, None), self.initial(contexts)


def make(config: Config, vocabulary: vocabularies.Vocabulary) -> Model:
    """Binds the family to a config and a vocabulary.

    Raises:
        ValueError: The config does not fit the vocabulary.
    """
    sizes = (
        "latent",
        "encoder_hidden",
        "encoder_layers",
        "hidden",
        "num_layers",
        "conductor_layers",
        "segment",
        "factors",
    )
    configs.check_at_least(config, 1, *sizes)
    if config.places and config.conductor and config.places % config.segment:
        raise ValueError(f"places is {config.places}; it must be a multiple of segment, which is {config.segment}")
    if config.places and config.conductor and config.latent % (config.places // config.segment):
        num = config.places // config.segment
        raise ValueError(f"latent is {config.latent}; it must be a multiple of {num}, the number of segments")
    configs.check_at_least(
        config, 0, "conductor", "places", "heads", "nade", "max_beta", "free_bits", "free_bits_per_dimension"
    )
    if not 0.0 <= config.beta_rate < 1.0:
        raise ValueError(f"beta_rate is {config.beta_rate}; it must lie in [0, 1)")
    scheduled_sampling.check(config)
    if config.heads:
        transformer_stack.check(attention_parts.shape_of(config))
    conditioning.check(config, vocabulary, ("dropout",))
    if config.spread <= 0:
        raise ValueError(f"spread is {config.spread}; it must be above 0")
    if config.humanize and vocabulary.kind != "groove":
        raise ValueError(f"humanize does not fit codec {vocabulary.name}; it needs codec groove")
    if vocabulary.frames_per_quarter == 0:
        raise ValueError(f"codec {vocabulary.name} has no frames, which a VAE needs")
    if config.nade and vocabulary.kind != "bits":
        raise ValueError(f"nade does not fit codec {vocabulary.name}; it needs a codec of binary frames")
    separate = bool(config.conductor) and vocabulary.streams > 1
    frame = frame_layout.Frame(vocabulary, tuple(config.conditions), separate, config.nade)
    return latent_model.make(config, Net(config, frame), frame)


def tiny(config: Config) -> Config:
    """Returns a config at the smallest sizes that run all of its code."""
    return configs.shrink(
        config,
        hidden=12,
        num_layers=2,
        latent=4,
        encoder_hidden=6,
        encoder_layers=1,
        conductor=6,
        conductor_layers=1,
        segment=5,
        places=20,
        factors=7,
    )


FAMILY = Family("music_vae", Config, make, PRESETS, tiny)
