"""Responses by vLLM, behind the interface of generation.py. NOT RUN BY US: tested against a stand-in for vLLM's API alone.

The base is loaded once more, by vLLM; the adapter of now is written to a folder and asked for by a new number at each call. vLLM draws by
random numbers of its own, from a seed for each response that follows from (seed, step, sample): identical seeds give identical runs on one
version of vLLM and one machine, not the responses of docs/formats.md. Its log-probabilities are the sampler's; the trainer's own are computed
anew, and the gap between them is reported (docs/ppo.md).
"""

import tempfile
from pathlib import Path

from attune_gpu.checkpoint import ADAPTER_CONFIG, ADAPTER_WEIGHTS, Checkpoint, describe_adapter
from attune_gpu.errors import ConfigError, MachineError
from attune_gpu.generation import SampledResponse
from attune_gpu.js_json import js_json
from attune_gpu.model import Adapter
from attune_gpu.random_numbers import SAMPLING, philox
from attune_gpu.safetensors_file import write_durably, write_tensors


class VllmGenerator:
    def __init__(self, base: Checkpoint, adapter: Adapter | None, most_length: int, memory_share: float = 0.4):
        if adapter is None:
            raise ConfigError("--generator vllm trains adapters alone. Set lora, or take --generator own.")
        try:
            import vllm
            from vllm.lora.request import LoRARequest
        except ImportError as error:
            raise MachineError("--generator vllm: vLLM is not installed here (pip install vllm). Or take --generator own.") from error
        self.vllm, self.lora_request, self.base, self.adapter = vllm, LoRARequest, base, adapter
        self.folder = tempfile.TemporaryDirectory(prefix="attune-vllm-")
        self.version = 0
        self.engine = vllm.LLM(
            model=str(base.base_folder),
            enable_lora=True,
            max_lora_rank=max(8, adapter.shape.rank),
            max_model_len=most_length,
            gpu_memory_utilization=memory_share,
            skip_tokenizer_init=True,
        )

    def sample(self, prompts, places, *, seed, most_tokens, temperature=1.0) -> list[SampledResponse]:
        asked = [{"prompt_token_ids": list(prompt)} for prompt in prompts]
        parameters = [self._parameters(seed, place, most_tokens, temperature) for place in places]
        answers = self.engine.generate(asked, parameters, lora_request=self._current_adapter(), use_tqdm=False)
        return [self._response(answer.outputs[0]) for answer in answers]

    def _parameters(self, seed: int, place: tuple[int, int], most_tokens: int, temperature: float):
        own_seed = int(philox(seed, [SAMPLING, *place, 0])[0])
        return self.vllm.SamplingParams(
            temperature=temperature,
            top_p=1.0,
            top_k=-1,
            max_tokens=most_tokens,
            seed=own_seed,
            stop_token_ids=self.base.tokenizer.end_token_ids,
            ignore_eos=True,  # the stop tokens say where a response ends
            logprobs=0,  # of the sampled token alone
            detokenize=False,
        )

    def _current_adapter(self):
        """The adapter as it is now, under a number that vLLM has not cached."""
        self.version += 1
        folder = Path(self.folder.name) / str(self.version)
        write_tensors(folder / ADAPTER_WEIGHTS, self.adapter.parameters)
        write_durably(folder / ADAPTER_CONFIG, js_json(describe_adapter(self.base, self.adapter.shape), 2).encode())
        return self.lora_request(f"policy-{self.version}", self.version, str(folder))

    def _response(self, output) -> SampledResponse:
        tokens = list(output.token_ids)
        logprobs = [step[token].logprob for step, token in zip(output.logprobs, tokens, strict=True)]
        return SampledResponse(tokens, logprobs, output.finish_reason == "stop")
