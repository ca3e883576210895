"""The text engine: a decoder artifact behind continuous batching, as a server asks for it."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack
from functools import partial

from tokenizers import Tokenizer

from freehold.artifact import Artifact, load_goldens
from freehold.artifact.manifest import Decoder
from freehold.engine.base import Answer, Capacity, Proof, Request, ScoreRequest
from freehold.engine.constraint import ConstraintCompiler
from freehold.engine.decoder_session import open_decoder
from freehold.engine.detokenizer import Detokenizer
from freehold.engine.forced import fitting
from freehold.engine.generation import GenerateRequest, Piece, Sampling
from freehold.engine.kv_cache import KvCache
from freehold.engine.kv_memory import KvMemory
from freehold.engine.kv_plan import KvPlan, plan_kv
from freehold.engine.prefix_cache import PrefixCache
from freehold.engine.providers import SessionOptions
from freehold.engine.sampler import Sampler, SamplingState
from freehold.engine.scoring import score
from freehold.engine.sequence import Sequence as Running
from freehold.engine.sequence import Times
from freehold.engine.settings import EngineSettings
from freehold.engine.text_files import TextFiles
from freehold.engine.text_loop import DRAFT_ROWS, TextLoop
from freehold.engine.token_bytes import TokenBytes
from freehold.engine.tokenizer import open_tokenizer
from freehold.engine.tuner import Tuning
from freehold.engine.verify import replay
from freehold.errors import FreeholdError
from freehold.machine import read_memory

UNASKED_TOKENS = 4096
"""The longest answer of a request that names no `max_tokens`: its memory is reserved from the start."""
PADDING_ROWS = 2
MARKS = ("<tool_call>", "</tool_call>", "<|python_tag|>", "[TOOL_CALLS]", "[CALL_ID]", "[ARGS]", "<think>", "</think>")
"""What parsers of tool calls and of reasoning must see, also where a tokenizer calls it special."""


class OnnxTextEngine:
    """A decoder artifact in ONNX Runtime on this machine's processors.

    `context_length` is the configuration's, else the manifest's, never beyond the graph's positions nor beyond what
    the memory for keys and values holds.
    """

    def __init__(self, artifact: Artifact, settings: EngineSettings) -> None:
        """Raises FreeholdError `decoder_device_unsupported`, `decoder_manifest_invalid` or `kv_memory_short`."""
        manifest = artifact.manifest
        if settings.device != "cpu":
            raise FreeholdError("decoder_device_unsupported", model=manifest.name, device=settings.device)
        limits = manifest.limits
        wanted = settings.max_tokens or limits.max_tokens or limits.positions
        if manifest.decoder is None or not wanted:
            raise FreeholdError("decoder_manifest_invalid", path=artifact.path)
        wanted = min(wanted, limits.positions) if limits.positions else wanted
        self._decoder: Decoder = manifest.decoder
        weights = sum(entry.size for entry in manifest.files.values())
        available = max(0, read_memory().available - weights)
        self._plan: KvPlan = plan_kv(manifest.decoder, wanted, settings, available, manifest.name)
        self._files = TextFiles(artifact.path)
        self._artifact, self._settings = artifact, settings
        self._loop: TextLoop | None = None
        self.manifest = manifest
        self.digest = artifact.digest
        self.precision = manifest.precision
        self.proof = Proof("none")
        self.tuning: Tuning | None = None
        self.defaults = Sampling()  # after `load`
        self.context_length = self.max_tokens = self._plan.context_length
        self.max_output_tokens = min(settings.max_output_tokens or self.context_length, self.context_length)

    async def load(self) -> None:
        """Open the graphs, see how this machine's kernels behave, replay the goldens. Raises FreeholdError."""
        self._loop = await asyncio.to_thread(self._open)
        self._loop.start()

    def ready(self) -> bool:
        """True after `load` and until `close`."""
        return self._loop is not None

    def capacity(self) -> Capacity:
        """What waits and runs, in tokens of prompts, and how many of those a second takes."""
        return self._loop.capacity() if self._loop else Capacity("tokens", 0, 0, 0.0)

    async def close(self, grace_s: float) -> None:
        """Let answers finish within `grace_s` seconds, then stop."""
        loop, self._loop = self._loop, None
        if loop is not None:
            await loop.close(grace_s)

    async def generate(self, request: GenerateRequest, deadline: float) -> AsyncGenerator[Piece, None]:
        """Pieces as they are computed, as the Protocol says."""
        loop = self._running()
        sequence = await self._sequence(request, deadline)
        loop.add(sequence)
        try:
            while True:
                item = await sequence.pieces.get()
                if isinstance(item, Exception):
                    raise item
                yield item
                if item.finish:
                    return
        finally:
            if sequence.finish is None:
                loop.cancel(sequence)

    async def infer(self, request: Request, deadline: float, later: bool = False) -> Answer:
        """Raises TypeError: a text engine generates."""
        raise TypeError(f"a text engine generates, and infers no {type(request).__name__}")

    def at_once(self, request: Request) -> Answer | None:
        """None: nothing that a text engine does takes less than queueing it."""
        return None

    def answer(self, request: Request) -> Answer:
        """Score an answer, between two steps. Raises FreeholdError `kv_memory_taken` when none is left for it."""
        return _judge(self._running(), request)

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        """Token ids of a rendered prompt; nothing is truncated."""
        return list(self._tokenizer.encode(text, add_special_tokens=add_special_tokens).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, special tokens included."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    def token_bytes(self, token: int) -> bytes:
        """The bytes that a token stands for."""
        return self._token_bytes.of(token)

    def chat_template(self) -> str | None:
        """The Jinja source of the model's chat template; None where it has none."""
        return self._files.chat_template

    def special_tokens(self) -> dict[str, str]:
        """bos_token, eos_token, pad_token, unk_token, as far as the folder names them: for templates."""
        return self._files.special_tokens

    def _running(self) -> TextLoop:
        if self._loop is None:
            raise FreeholdError("shutting_down")
        return self._loop

    async def _sequence(self, request: GenerateRequest, deadline: float) -> Running:
        """The request, checked, with what goes along with it from token to token."""
        now = asyncio.get_running_loop().time()
        most = self._longest_answer(request)
        matcher = None
        if request.constraint is not None:
            matcher = (await asyncio.to_thread(self._grammars.compile, request.constraint)).matcher()
        state = SamplingState(request, self._decoder.vocab_size, matcher)
        ends = request.stop_ids if request.ignore_end else request.stop_ids | set(self._decoder.ends)
        text = self._detokenizer.stream(request.stop, after=request.prompt)
        return Running(request, most, state, text, frozenset(ends), Times(now, deadline))

    def _longest_answer(self, request: GenerateRequest) -> int:
        """How many tokens the answer may have. Raises FreeholdError for a prompt or a length that cannot be."""
        prompt, asked = len(request.prompt), request.max_tokens
        last = self._decoder.vocab_size - 1
        if not prompt:
            raise FreeholdError("input_empty", name="prompt")
        for position, token in enumerate(request.prompt):
            if not 0 <= token <= last:
                raise FreeholdError("token_out_of_range", token=token, position=position, last=last)
        if asked is not None and asked < 1:
            raise FreeholdError("answer_too_short", asked=asked)
        if asked is not None and asked > self.max_output_tokens:
            raise FreeholdError("answer_too_long", asked=asked, ceiling=self.max_output_tokens)
        left = self.context_length - prompt
        if left < (asked or 1):
            raise FreeholdError("context_overflow", prompt=prompt, asked=asked or 1, context=self.context_length)
        return asked or min(UNASKED_TOKENS, self.max_output_tokens, left)

    def _open(self) -> TextLoop:
        artifact, settings, plan = self._artifact, self._settings, self._plan
        self._tokenizer: Tokenizer = open_tokenizer(artifact.tokenizer)
        self._token_bytes = TokenBytes(self._tokenizer)
        marks = (self._tokenizer.token_to_id(mark) for mark in MARKS)
        self._detokenizer = Detokenizer(self._tokenizer, frozenset(mark for mark in marks if mark is not None))
        vocab_size, ends = self._decoder.vocab_size, self._decoder.ends
        self._grammars = ConstraintCompiler(self._files.tokenizer_json, vocab_size, ends)
        self.defaults = self._files.defaults
        with ExitStack() as undo:
            memory = KvMemory(plan.layout, settings.slots, max(settings.slots, DRAFT_ROWS) + PADDING_ROWS)
            undo.callback(memory.close)
            threads = settings.threads or settings.cores
            session = open_decoder(artifact, SessionOptions(digest=self.digest, threads=threads), memory)
            session.measure()
            self.tuning = Tuning(threads, settings.slots, session.prefill_speed)
            loop = TextLoop(
                session,
                KvCache(memory, plan.tokens),
                PrefixCache(memory, plan.prefix_bytes),
                Sampler(vocab_size),
                slice_s=settings.prefill_slice_ms / 1000,
                prompt_lookup=settings.prompt_lookup,
                name=self.manifest.name,
                on_step=settings.on_step,
            )
            goldens = fitting(load_goldens(artifact.goldens), self.context_length) if settings.prove else []
            self.proof = replay(partial(_judge, loop), self.manifest, goldens, self.precision)
            undo.pop_all()
        return loop


def _judge(loop: TextLoop, request: Request) -> Answer:
    if not isinstance(request, ScoreRequest):
        raise TypeError(f"a text engine scores ScoreRequest, not {type(request).__name__}")
    prompt, answer = request.prompt, request.answer
    return loop.alone(len(prompt) + len(answer), lambda session, slot: score(session, slot, prompt, answer))
