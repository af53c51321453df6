"""What of NumPy cannot be recorded, and what to write instead."""

from __future__ import annotations

COMPLEX = "it gives complex numbers, which have no gradients here"
FOURIER = f"{COMPLEX}: multiply by the cosines and sines, x @ np.cos(...) and x @ np.sin(...)"
WRITES = (
    "it writes into a plain array, where a gradient is lost: make a new one with np.where or np.stack([...])"
)
HISTOGRAM = "counts have no derivative: count weights with np.bincount(np.digitize(...), weights=w)"
SETS = "which elements are in it hangs on their values: write x[np.isin(x, y)] or np.unique"
TEXT = "it makes text, files or bytes of numbers: pass v.value"

REASONS: dict[str, str] = {
    WRITES: "np.copyto np.fill_diagonal np.put np.place np.putmask np.put_along_axis",
    FOURIER: """
        np.fft.fft np.fft.ifft np.fft.rfft np.fft.ihfft np.fft.fft2 np.fft.ifft2 np.fft.rfft2 np.fft.fftn
        np.fft.ifftn np.fft.rfftn np.fft.irfftn np.fft.irfft2
    """,
    f"{COMPLEX}: of a symmetric matrix write np.linalg.eigh": "np.linalg.eig np.linalg.eigvals",
    COMPLEX: "np.roots np.sort_complex",
    HISTOGRAM: "np.histogram np.histogram2d np.histogramdd np.histogram_bin_edges",
    SETS: "np.intersect1d np.setdiff1d np.setxor1d np.unique_all np.unique_counts np.unique_inverse",
    "its quotient and remainder are made step by step, in place": "np.polydiv",
    "write it with rules, or add one with @rule": "np.i0",
    TEXT: "np.save np.savetxt np.savez np.savez_compressed np.packbits np.unpackbits np.bmat np.asmatrix",
    "an array of Python objects has no gradients: np.stack([f(e) for e in v])": "np.fromiter np.frompyfunc",
    "it wants a plain array: pass v.value": """
        np.require np.asarray_chkfinite np.asfortranarray np.from_dlpack np.common_type
    """,
}
"""From a reason to the functions that it holds for."""

NO_ARRAYS = """
    np.arange np.empty np.eye np.identity np.indices np.ones np.tri np.zeros np.fromfunction
    np.bartlett np.blackman np.hamming np.hanning np.kaiser np.diag_indices np.mask_indices np.tril_indices
    np.triu_indices np.fft.fftfreq np.fft.rfftfreq
    np.frombuffer np.fromfile np.fromregex np.fromstring np.genfromtxt np.load np.loadtxt
    np.base_repr np.binary_repr np.datetime_data np.format_float_positional np.format_float_scientific
    np.get_printoptions np.printoptions np.set_printoptions np.typename np.info np.get_include np.show_config
    np.show_runtime np.test np.geterr np.geterrcall np.seterr np.seterrcall np.getbufsize np.setbufsize
    np.isdtype np.issubdtype np.promote_types np.mintypecode np.iterable np.isscalar np.nested_iters
    np.broadcast_shapes np.can_cast np.einsum_path np.ravel_multi_index np.unravel_index
    np.busday_count np.busday_offset np.is_busday np.datetime_as_string np.isnat
""".split()
"""What takes no arrays of real numbers: there is nothing to record."""


def reason(name: str) -> str | None:
    """Why a function of NumPy's, ``np.fft.fft``, is refused."""
    return next((why for why, names in REASONS.items() if name in names.split()), None)
