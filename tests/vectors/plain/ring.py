"""Polynomials of Z_p[X]/(X^N + 1) as lists of N whole numbers, and their values at the odd powers of a root."""

from __future__ import annotations

from functools import cache

Row = list[int]


@cache
def root(degree: int, prime: int) -> int:
    """The smallest primitive root of unity of order 2N modulo the prime."""
    powers = (pow(x, (prime - 1) // (2 * degree), prime) for x in range(2, prime))
    first = next(power for power in powers if pow(power, degree, prime) == prime - 1)
    found, other = first, first
    for _ in range(degree - 1):
        other = other * first * first % prime
        found = min(found, other)
    return found


@cache
def inverse_root(degree: int, prime: int) -> int:
    """Its inverse."""
    return pow(root(degree, prime), -1, prime)


def reversed_bits(number: int, degree: int) -> int:
    """The log2(N) bits of a number the other way round."""
    return int(f"{number:0{degree.bit_length() - 1}b}"[::-1], 2)


def values(row: Row, prime: int) -> Row:
    """Residue i of what comes is the value at root^(2 rev(i) + 1)."""
    degree, psi = len(row), root(len(row), prime)
    twisted = [x * power % prime for x, power in zip(row, _powers(psi, degree, prime), strict=True)]
    found = _fourier(twisted, psi * psi % prime, prime)
    return [found[reversed_bits(i, degree)] for i in range(degree)]


def coefficients(row: Row, prime: int) -> Row:
    """The polynomial that ``values`` makes this row of."""
    degree, psi = len(row), inverse_root(len(row), prime)
    ordered = [row[reversed_bits(i, degree)] for i in range(degree)]
    scale, found = pow(degree, -1, prime), _fourier(ordered, psi * psi % prime, prime)
    return [x * power * scale % prime for x, power in zip(found, _powers(psi, degree, prime), strict=True)]


def turned(row: Row, turn: int, prime: int) -> Row:
    """The polynomial times X^turn, 0 <= turn < 2 N."""
    degree = len(row)
    extended = [*row, *(-coefficient % prime for coefficient in row)]
    return [extended[(i - turn) % (2 * degree)] for i in range(degree)]


def _fourier(row: Row, base: int, prime: int) -> Row:
    """The sums of row[j] base^(j k) over j, for every k: halves of even and odd j, put together."""
    if len(row) == 1:
        return row
    square = base * base % prime
    even, odd = _fourier(row[::2], square, prime), _fourier(row[1::2], square, prime)
    odd = [value * power % prime for value, power in zip(odd, _powers(base, len(odd), prime), strict=True)]
    pairs = list(zip(even, odd, strict=True))
    return [(a + b) % prime for a, b in pairs] + [(a - b) % prime for a, b in pairs]


@cache
def _powers(base: int, count: int, prime: int) -> list[int]:
    found = [1]
    for _ in range(count - 1):
        found.append(found[-1] * base % prime)
    return found
