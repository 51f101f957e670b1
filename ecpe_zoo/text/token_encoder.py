"""What every token encoder is: rows of tokens to rows of vectors."""

from __future__ import annotations

from torch import Tensor, nn

from ecpe_zoo.text.tokenizers import Tokenizer


class TokenEncoder(nn.Module):
    """Base of the token encoders.

    Attributes:
        hidden_size: H.
        max_tokens: Most tokens of a row, special ones included; None for any number.
        tokenizer: Text to the ids that `forward` takes.
    """

    hidden_size: int
    max_tokens: int | None
    tokenizer: Tokenizer

    def forward(self, ids: Tensor, mask: Tensor, token_types: Tensor | None = None) -> Tensor:
        """Encode rows of tokens.

        Args:
            ids: (R, T) token ids, padded at the end.
            mask: (R, T) bool, False at padding; each row has a token.
            token_types: (R, T) in {0, 1}: first and second text of a row.

        Returns:
            (R, T, H); padding means nothing.
        """
        raise NotImplementedError
