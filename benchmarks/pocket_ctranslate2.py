"""CTranslate2 on the embedded models' weights, float32, one thread."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence

import ctranslate2
import numpy as np
from ctranslate2.specs import common_spec, transformer_spec

from apportion.models.pocket.tokenizer import END
from benchmarks.pocket_weights import Weights

__all__ = ["CTranslate2Runtime"]


class CTranslate2Runtime:
    """A Llama-like decoder; our norms have no gain of their own, so theirs are ones.

    Args:
        weights: as floats.
    """

    name = f"ctranslate2 {ctranslate2.__version__}"

    def __init__(self, weights: Weights) -> None:
        spec = transformer_spec.TransformerDecoderModelSpec.from_config(
            weights.shape.layers,
            weights.shape.heads,
            pre_norm=True,
            activation=common_spec.Activation.SWISH,
            rms_norm=True,
            ffn_glu=True,
            rotary_dim=0,
            rotary_interleave=False,
        )
        gain = np.ones(weights.shape.width, np.float32)
        decoder = spec.decoder
        decoder.scale_embeddings = False
        decoder.embeddings.weight = decoder.projection.weight = weights.embedding
        decoder.layer_norm.gamma = gain
        for target, layer in zip(decoder.layer, weights.layers, strict=True):
            target.self_attention.layer_norm.gamma = target.ffn.layer_norm.gamma = gain
            target.self_attention.linear[0].weight = layer.queries_keys_values
            target.self_attention.linear[1].weight = layer.out
            target.ffn.linear_0.weight = layer.gate
            target.ffn.linear_0_noact.weight = layer.up
            target.ffn.linear_1.weight = layer.down
        spec.register_vocabulary([str(token) for token in range(weights.shape.vocabulary)])
        spec.config.unk_token = spec.config.bos_token = "0"
        spec.config.eos_token = str(END)
        spec.config.layer_norm_epsilon = 1e-9
        spec.validate()
        with tempfile.TemporaryDirectory() as folder:
            spec.save(folder)
            self._generator = ctranslate2.Generator(folder, compute_type="float32", inter_threads=1, intra_threads=1)

    def write(self, prompts: Sequence[Sequence[int]], length: int, temperature: float) -> list[list[int]]:
        """So many tokens after each prompt."""
        results = self._generator.generate_batch(
            [[str(token) for token in prompt] for prompt in prompts],
            max_length=length,
            min_length=length,
            sampling_topk=0 if temperature else 1,
            sampling_temperature=temperature or 1.0,
            include_prompt_in_result=False,
        )
        return [result.sequences_ids[0] for result in results]

    def close(self) -> None:
        """Frees the model."""
        self._generator.unload_model()
