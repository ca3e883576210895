"""One request between its steps."""

from tokenizers import Tokenizer, decoders, models

from freehold.engine.detokenizer import Detokenizer
from freehold.engine.generation import GenerateRequest, TokenLogprob
from freehold.engine.sampler import SamplingState
from freehold.engine.sequence import FIRST_GUESS, Sequence, Times

LETTERS = {chr(ord("a") + index): index for index in range(26)}


def letters() -> Detokenizer:
    """A token a letter."""
    tokenizer = Tokenizer(models.WordLevel(LETTERS, unk_token="a"))
    tokenizer.decoder = decoders.Fuse()
    return Detokenizer(tokenizer)


def begun(prompt: str = "xyz", most: int = 8, end: str = "q", stop: tuple[str, ...] = (), **options: int) -> Sequence:
    """A sequence over letters."""
    request = GenerateRequest([LETTERS[letter] for letter in prompt], stop=stop, **options)
    ends = frozenset({LETTERS[end]})
    return Sequence(request, most, SamplingState(request, 26), letters().stream(stop), ends, Times(0.0, 1.0))


def answer(sequence: Sequence, text: str) -> None:
    """Letters until it ends."""
    for letter in text:
        if sequence.finish is None:
            sequence.accept(TokenLogprob(LETTERS[letter], -1.0))


def test_a_piece_holds_what_came_since_the_last_one() -> None:
    """Texts, ids and counts; log probabilities only where they were asked for."""
    sequence = begun()
    sequence.cached_tokens = 2
    answer(sequence, "ab")
    piece = sequence.take_piece()
    assert (piece.text, piece.ids, piece.logprobs, piece.finish) == ("ab", (0, 1), (), None)
    assert (piece.prompt_tokens, piece.cached_tokens, piece.completion_tokens) == (3, 2, 2)
    assert sequence.take_piece().ids == ()
    asked = begun(logprobs=0)
    answer(asked, "a")
    assert asked.take_piece().logprobs == (TokenLogprob(0, -1.0),)


def test_it_ends_at_an_end_token_which_has_no_text() -> None:
    """But is counted and shown among the ids."""
    sequence = begun()
    answer(sequence, "abqcc")
    piece = sequence.take_piece()
    assert (piece.text, piece.ids, piece.finish) == ("ab", (0, 1, 16), "stop")


def test_it_ends_when_it_is_long_enough() -> None:
    """What a stop text held back is said then."""
    sequence = begun(most=3, stop=("cd",))
    answer(sequence, "abcd")
    piece = sequence.take_piece()
    assert (piece.text, piece.finish) == ("abc", "length")


def test_it_ends_at_a_stop_text_which_is_not_part_of_it() -> None:
    """Also where the last token that is allowed completes it."""
    for most in (4, 8):
        sequence = begun(most=most, stop=("cd",))
        answer(sequence, "abcdef")
        piece = sequence.take_piece()
        assert (piece.text, piece.finish, piece.completion_tokens) == ("ab", "stop", 4)


def test_drafts_leave_room_for_the_token_at_hand() -> None:
    """An answer of eight tokens with six of them there has one more place behind the next."""
    sequence = begun("abcabcabcabc", most=8)
    assert len(sequence.drafts(7)) == FIRST_GUESS
    answer(sequence, "abcabc")
    assert sequence.drafts(7) == [LETTERS["a"]]
    answer(sequence, "a")
    assert sequence.drafts(7) == []


def test_guesses_grow_while_they_are_right_and_shrink_when_they_are_wrong() -> None:
    """A wrong guess costs time."""
    sequence = begun("abcabcabcabcabcabc", most=100)
    sequence.judged(3, 3)
    assert len(sequence.drafts(7)) == 6
    sequence.judged(6, 0)
    assert len(sequence.drafts(7)) == 1
    sequence.judged(0, 0)
    assert len(sequence.drafts(7)) == 1
    sequence.judged(1, 1)
    assert len(sequence.drafts(7)) == 2


def test_its_reach_is_what_it_may_grow_to() -> None:
    """Which is what memory is reserved for."""
    sequence = begun("abc", most=8)
    assert (sequence.reach, sequence.answered) == (11, 0)
    answer(sequence, "ab")
    assert (sequence.reach, sequence.answered) == (11, 2)
