"""Interface of all token encoders: from rows of tokens to rows of vectors."""

from __future__ import annotations

from torch import Tensor, nn

from ecpe_zoo.text.tokenizers import Tokenizer


class TokenEncoder(nn.Module):
    """Base of the token encoders.

    Attributes:
        hidden_size: Size of a token vector, H.
        max_tokens: Maximum tokens of a row, special ones included; None for no limit.
        tokenizer: Tokenizer that gives the ids for `forward`.
    """

    hidden_size: int
    max_tokens: int | None
    tokenizer: Tokenizer

    def embeddings(self) -> list[nn.Module]:
        """The layers that look up token vectors; a token's vector comes from one of them."""
        raise NotImplementedError

    def forward(self, ids: Tensor, mask: Tensor, token_types: Tensor | None = None) -> Tensor:
        """Encode rows of tokens.

        Args:
            ids: Token ids (R, T), padded at the end.
            mask: Mask (R, T), False at padding; each row has a token.
            token_types: Types (R, T) in {0, 1}: first and second text of a row.

        Returns:
            (R, T, H); values at padding are meaningless.
        """
        raise NotImplementedError
