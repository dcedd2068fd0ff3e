"""The front end with the signatures that type checkers and editors see: `_signatures.pyi`."""

from smoothmin._minimize import minimize as minimize
