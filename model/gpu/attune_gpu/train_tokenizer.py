"""A byte-level BPE tokenizer trained on text by the library `tokenizers`, in the files that the TypeScript side writes (model/tokenizer)."""

import json
import shutil
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from attune_gpu.errors import UnfitDataError
from attune_gpu.js_json import js_json
from attune_gpu.safetensors_file import sync_folder, write_durably
from attune_gpu.tokenizer import CHAT_ML

# First of the vocabulary, in this order: end of a document, begin and end of a turn, padding.
END_OF_TEXT, TURN_START, TURN_END, PAD = SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>")
IDS = {"bos": SPECIAL.index(TURN_START), "eos": SPECIAL.index(TURN_END), "pad": SPECIAL.index(PAD)}


def train_tokenizer(texts: list[str], vocabulary_size: int) -> dict:
    """What tokenizer.json holds. Raises UnfitDataError where the text gives fewer tokens."""
    library = Tokenizer(models.BPE())
    digits = pre_tokenizers.Digits(individual_digits=True)
    library.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    library.decoder = decoders.ByteLevel()
    special = [AddedToken(token, special=True, normalized=False) for token in SPECIAL]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    library.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=vocabulary_size, special_tokens=special, initial_alphabet=alphabet, show_progress=False))
    reached = library.get_vocab_size()
    if reached < vocabulary_size:
        raise UnfitDataError(
            f"The text gives a vocabulary of {reached} tokens, not {vocabulary_size}: no pair is left to merge. "
            f"Ask for at most {reached}, or give more text."
        )
    definition = json.loads(library.to_str())
    definition["model"]["vocab"] = _in_order_of_javascript(definition["model"]["vocab"])
    return definition


def _in_order_of_javascript(vocabulary: dict[str, int]) -> dict[str, int]:
    """Keys that are whole numbers stand first in its objects, whenever they came; the rest by id."""
    return dict(sorted(vocabulary.items(), key=lambda entry: (not entry[0].isdecimal(), int(entry[0]) if entry[0].isdecimal() else entry[1])))


def write_tokenizer(folder: Path, definition: dict, context_length: int) -> None:
    """As Hugging Face lays one out, whole or not at all."""
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    config = {
        "bos_token": TURN_START,
        "clean_up_tokenization_spaces": False,
        "eos_token": TURN_END,
        "model_max_length": context_length,
        "pad_token": PAD,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": END_OF_TEXT,
    }
    # A turn ends with one, a document with the other.
    generation = {"bos_token_id": IDS["bos"], "eos_token_id": [IDS["eos"], SPECIAL.index(END_OF_TEXT)], "pad_token_id": IDS["pad"]}
    for name, value in {"tokenizer.json": definition, "tokenizer_config.json": config, "generation_config.json": generation}.items():
        write_durably(part / name, (js_json(value, 2) + "\n").encode())
    # The line breaks of the template are written out, as its literals have them.
    write_durably(part / "chat_template.jinja", CHAT_ML.replace("\\n", "\n").encode())
    sync_folder(part)
    part.rename(folder)
    sync_folder(folder.parent)
