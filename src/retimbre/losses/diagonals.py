"""Sums along the diagonals of a matrix, which turn products of frames into products of patches."""

import torch
from torch import Tensor


class Diagonals:
    """Matrix G with fast sums along its diagonals.

    ``D[t, u] = sum_j G[t+j, u+j]``, j from -K//2 to K//2, zeros outside: as a linear map it is its own
    transpose. In a zero-padded buffer one step along the diagonal is the same distance in memory
    everywhere, so a sum of K entries takes about 2 log2 K additions of long contiguous vectors: sums of
    2, 4, 8, ... entries by doubling, of which some add up to K.

    Several of one shape may share their work space; then there is one result at a time.

    Args:
        rows: Rows T of the matrix.
        columns: Columns U of the matrix.
        taps: Entries K of a sum, odd.
        like: Tensor that gives type and device.
        sharing: Instance of the same shape with which to share work space.

    >>> diagonals = Diagonals(3, 3, 3, torch.empty(0))
    >>> _ = diagonals.inside.copy_(torch.arange(9.0).reshape(3, 3))
    >>> diagonals.sums()
    tensor([[ 4.,  6.,  2.],
            [10., 12.,  6.],
            [ 6., 10., 12.]])
    """

    def __init__(
        self, rows: int, columns: int, taps: int, like: Tensor, *, sharing: "Diagonals | None" = None
    ) -> None:
        self._taps = taps
        self._step = columns + taps  # one row down, one column right
        n_entries = (rows + taps - 1) * (self._step - 1)
        self._buffer = like.new_zeros(n_entries)
        shape, strides, corner = (rows, columns), (self._step - 1, 1), taps // 2 * self._step
        self.inside = self._buffer.as_strided(shape, strides, corner)
        """The matrix, (T, U), to be written before :meth:`sums`."""
        # Memory allocated in every evaluation would cost more than the sums themselves: the system hands it
        # out page by page.
        self._work: Tensor = like.new_empty(3, n_entries) if sharing is None else sharing._work
        self._total = self._work[2].as_strided(shape, strides)

    def sums(self) -> Tensor:
        """Compute the diagonal sums of ``inside``: (T, U), valid until the next call."""
        step, total = self._step, self._work[2]
        n = len(self._buffer) - (self._taps - 1) * step
        so_far, start = self._buffer[:n], 1  # K is odd
        doubled, length = self._buffer, 1  # doubled[i] is the sum of `length` entries from i on
        while 2 * length <= self._taps:
            n_doubled = len(doubled) - length * step
            target = self._work[length.bit_length() % 2][:n_doubled]
            doubled = torch.add(doubled[:n_doubled], doubled[length * step :], out=target)
            length *= 2
            if self._taps & length:
                so_far = torch.add(so_far, doubled[start * step :][:n], out=total[:n])
                start += length
        if self._taps == 1:
            total[:n] = so_far
        return self._total
