"""Encoders over word vectors: the vectors alone, or a BiLSTM over them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ecpe_zoo.text.recurrent import BiLSTM
from ecpe_zoo.text.token_encoder import TokenEncoder
from ecpe_zoo.text.tokenizers import FROM_FILE, VocabularyTokenizer


class WordEncoder(TokenEncoder):
    """A vector for each word, independent of its position.

    Args:
        vocabulary: Words; those after `FROM_FILE` have a vector from a file.
        vector_size: Size of a word vector, H.
        vectors: Vectors (V, vector_size) of the words after `FROM_FILE`; None leaves them to a checkpoint.
        train_vectors: Whether these vectors are trained.
    """

    def __init__(
        self, vocabulary: list[str], vector_size: int, vectors: Tensor | None, train_vectors: bool
    ) -> None:
        super().__init__()
        self.tokenizer = VocabularyTokenizer(vocabulary, "words")
        self.hidden_size, self.max_tokens = vector_size, None
        self.from_file = vocabulary.index(FROM_FILE) + 1 if FROM_FILE in vocabulary else len(vocabulary)
        self.words = nn.Embedding(self.from_file, vector_size)
        nn.init.normal_(self.words.weight, std=0.1)  # 0.1: the spread of the values of word2vec vectors
        self.file_words: nn.Embedding | None = None
        if self.from_file < len(vocabulary):
            self.file_words = nn.Embedding(len(vocabulary) - self.from_file, vector_size)
            if vectors is not None:
                self.file_words.weight.data.copy_(vectors)
            self.file_words.weight.requires_grad_(train_vectors)

    def embeddings(self) -> list[nn.Module]:
        """See `TokenEncoder.embeddings`."""
        return [self.words] if self.file_words is None else [self.words, self.file_words]

    def look_up(self, ids: Tensor) -> Tensor:
        """The word vectors (R, T, vector_size) of ids (R, T)."""
        vectors: Tensor = self.words(ids.clamp(max=self.from_file - 1))
        if self.file_words is not None:
            given = self.file_words((ids - self.from_file).clamp(min=0))
            vectors = torch.where((ids >= self.from_file)[..., None], given, vectors)
        return vectors

    def forward(self, ids: Tensor, mask: Tensor, token_types: Tensor | None = None) -> Tensor:
        """See `TokenEncoder.forward`."""
        return self.look_up(ids)


class RecurrentEncoder(WordEncoder):
    """A BiLSTM over word vectors.

    The mean vector of a row's first text (such as a question; the entire row if it has one text) is added to every
    word through a linear layer: over a hundred words a BiLSTM forgets the question, and its backward half never
    saw it.

    Args:
        vocabulary: See `WordEncoder`.
        size: Size of a token vector, H, both directions together.
        layers: Number of layers of the BiLSTM.
        dropout: Dropout on the word vectors and on the output.
        vector_size: Size of a word vector.
        vectors: See `WordEncoder`.
        train_vectors: Whether these vectors are trained.
    """

    def __init__(
        self,
        vocabulary: list[str],
        size: int,
        layers: int,
        dropout: float,
        vector_size: int,
        vectors: Tensor | None,
        train_vectors: bool,
    ) -> None:
        super().__init__(vocabulary, vector_size, vectors, train_vectors)
        self.hidden_size = size
        self.types = nn.Embedding(2, vector_size)
        nn.init.zeros_(self.types.weight)
        self.first_text = nn.Linear(vector_size, vector_size, bias=False)
        self.lstm = BiLSTM(vector_size, size // 2, layers, dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, ids: Tensor, mask: Tensor, token_types: Tensor | None = None) -> Tensor:
        """See `TokenEncoder.forward`."""
        vectors = self.look_up(ids)  # (R, T, vector_size)
        types = torch.zeros_like(ids) if token_types is None else token_types
        first = mask & (types == 0)
        about = (vectors * first[..., None]).sum(1) / first.sum(1, keepdim=True).clamp(
            min=1
        )  # (R, vector_size)
        inputs = self.dropout(vectors + self.types(types) + self.first_text(about)[:, None])
        output: Tensor = self.dropout(self.lstm(inputs, mask.sum(dim=1)))
        return output
