"""Wrong kernels: what machines and people write, ``FAULTS[name] = (reference, dtype, inside, kernel)``."""

import math

from tests.checking.kernels.references import EPS
from tests.checking.kernels.right import BY_HAND, How, torch

FAULTS = {}
IMPRECISE = set()  # those whose formula is right
HOW = How()
MEMORY = {}  # what some of them keep between calls


def fault(of, dtype="float32", inside=None, imprecise=False):
    """A wrong kernel of a reference, that is looked at in a dtype, with an arithmetic that is due inside."""

    def listed(kernel):
        said = kernel.__name__.replace("_", " ")
        FAULTS[said] = (of, dtype, inside, kernel)
        if imprecise:
            IMPRECISE.add(said)
        return kernel

    return listed


def right(of):
    return BY_HAND[of](HOW)


# Nothing computed.


@fault("softmax", "bfloat16")
def zeros(x):
    return torch.zeros_like(x), torch.zeros_like


@fault("softmax", "bfloat16")
def zeros_for_dx(x):
    return right("softmax")(x)[0], torch.zeros_like


@fault("softmax", "bfloat16")
def the_mean_for_each_element(x):
    return torch.full_like(x, 1 / x.shape[-1])


@fault("layer_norm", "bfloat16")
def a_copy_of_x(x, g, b):
    return x.clone()


@fault("gelu", "bfloat16")
def a_copy_of_dout(x):
    return right("gelu")(x)[0], lambda dout: dout.clone()


@fault("matmul", "float16")
def left_unwritten(x, w):
    return torch.empty(x.shape[0], w.shape[1], dtype=x.dtype)


@fault("rms_norm", "float16")
def ones_for_dout(x, g):
    out, back = right("rms_norm")(x, g)
    return out, lambda dout: back(torch.ones_like(dout))


# Remembered.


@fault("softmax")
def the_answer_of_the_first_call(x):
    return MEMORY.setdefault("softmax", right("softmax")(x)[0])


@fault("gelu")
def one_buffer_for_all_calls(x):
    out = MEMORY.setdefault("gelu", torch.empty_like(x))
    return out.copy_(right("gelu")(x)[0])


@fault("gelu", "float16")
def what_it_saved_is_of_the_first_forward(x):
    return right("gelu")(x)[0], right("gelu")(MEMORY.setdefault("x", x))[1]


# Memory.


@fault("softmax")
def written_over_the_input(x):
    out = right("softmax")(x)[0]
    return x.copy_(out)


@fault("swiglu", "bfloat16")
def dout_is_written_over(x, gate):
    out, back = right("swiglu")(x, gate)

    def backward(dout):
        grads = back(dout)
        dout.zero_()
        return grads

    return out, backward


@fault("row_sum")
def strides_forgotten(x):
    flat = torch.as_strided(x, (x.numel(),), (1,)).reshape(x.shape)
    return flat.sum(-1)


@fault("embedding", "bfloat16")
def additions_that_race(table, index):
    out, _ = right("embedding")(table, index)

    def backward(dout):
        d = torch.zeros_like(table, dtype=torch.float32)
        for i in range(len(index)):
            if torch.rand(()) < 0.8:
                d[index[i]] += dout[i].float()
        return d.to(table.dtype), None

    return out, backward


@fault("embedding")
def assigned_where_rows_repeat(table, index):
    def backward(dout):
        d = torch.zeros_like(table)
        d[index] = dout
        return d, None

    return table[index], backward


# Parts.


@fault("softmax", "bfloat16")
def the_last_columns_not_computed(x):
    out = right("softmax")(x)[0]
    out[:, 32:] = 0
    return out


@fault("matmul")
def the_last_block_of_k_left_out(x, w):
    return x[:, :48] @ w[:48]


@fault("matmul", "bfloat16")
def dw_of_the_first_block_of_rows(x, w):
    return x @ w, lambda dout: (dout @ w.T, x[:8].T @ dout[:8])


@fault("row_sum", "bfloat16")
def the_last_term_left_out(x):
    return x[:, :-1].sum(-1)


@fault("layer_norm", "float16")
def db_of_the_first_row(x, g, b):
    out, back = right("layer_norm")(x, g, b)
    return out, lambda dout: (*back(dout)[:2], dout[0])


# Factors.


def scaled(of, factor, k=0):
    def kernel(*xs):
        out, back = right(of)(*xs)

        def backward(dout):
            grads = tuple(g * factor if i == k else g for i, g in enumerate(_tuple(back(dout))))
            return grads if len(xs) > 1 else grads[0]

        return out, backward

    return kernel


def _tuple(x):
    return x if isinstance(x, tuple) else (x,)


for _of, _dtype, _factor in (
    *(("softmax", "float32", 1.01), ("gelu", "float32", 1.0001), ("logsumexp", "float32", 1.001)),
    *(("matmul", "bfloat16", 2.0), ("swiglu", "bfloat16", 1.05), ("rms_norm", "float16", 1.02)),
    *(("attention", "float16", math.sqrt(8)), ("layer_norm", "bfloat16", -1.0)),
):
    FAULTS[f"{_factor:.5g}x the gradient, {_of}"] = (_of, _dtype, None, scaled(_of, _factor))


@fault("cross_entropy", "bfloat16")
def not_divided_by_the_batch(x, t):
    out, back = right("cross_entropy")(x, t)
    return out, lambda dout: (back(dout)[0] * len(x), None)


@fault("attention", "bfloat16")
def scale_forgotten_in_dq(q, k, v):
    out, back = right("attention")(q, k, v)

    def backward(dout):
        dq, dk, dv = back(dout)
        return dq * math.sqrt(q.shape[-1]), dk, dv

    return out, backward


# Terms.


def layer_norm_without(*left_out):
    def kernel(x, g, b):
        c = (x - x.mean(-1, keepdim=True)).float()
        r = torch.rsqrt((c * c).mean(-1, keepdim=True) + EPS)
        n = c * r

        def backward(dout):
            d, h = dout.float(), dout.float() * g.float()
            mean = 0 if "mean" in left_out else h.mean(-1, keepdim=True)
            spread = 0 if "spread" in left_out else n * (h * n).mean(-1, keepdim=True)
            return (r * (h - mean - spread)).to(x.dtype), (d * n).sum(0).to(x.dtype), d.sum(0).to(x.dtype)

        return (n * g.float() + b.float()).to(x.dtype), backward

    return kernel


FAULTS["layer norm without the mean's term"] = ("layer_norm", "bfloat16", None, layer_norm_without("mean"))
FAULTS["layer norm without the variance's term"] = (
    "layer_norm",
    "float32",
    None,
    layer_norm_without("spread"),
)
FAULTS["layer norm, both taken for constants"] = (
    "layer_norm",
    "float16",
    None,
    layer_norm_without("mean", "spread"),
)


@fault("softmax", "bfloat16")
def only_the_diagonal(x):
    p = right("softmax")(x)[0]
    return p, lambda dout: dout * p * (1 - p)


@fault("softmax", "float16")
def softmax_without_its_sum(x):
    p = right("softmax")(x)[0]
    return p, lambda dout: dout * p


@fault("gelu", "bfloat16")
def gelu_without_the_density(x):
    cdf = 0.5 * (1 + torch.erf(x.float() / math.sqrt(2)))
    return (x * cdf).to(x.dtype), lambda dout: (dout * cdf).to(x.dtype)


@fault("gelu")
def tanh_for_erf(x):
    return torch.nn.functional.gelu(x, approximate="tanh")


@fault("gelu", "float16", "float32")  # in steps of float16, 1 + erf loses more than this
def tanh_for_erf_in_float16(x):
    return torch.nn.functional.gelu(x.float(), approximate="tanh").half()


@fault("swiglu", "float16")
def silu_without_its_second_term(x, gate):
    s = torch.sigmoid(gate.float())
    g, a = gate.float(), x.float()
    return (a * g * s).half(), lambda dout: ((dout * g * s).half(), (dout * a * s).half())


@fault("cross_entropy", "float16")
def one_hot_not_subtracted(x, t):
    out, _ = right("cross_entropy")(x, t)
    return out, lambda dout: ((torch.softmax(x.float(), -1) * dout / len(x)).half(), None)


@fault("attention", "bfloat16")
def ds_without_its_row_sums(q, k, v):
    scale = 1 / math.sqrt(q.shape[-1])
    future = torch.triu(torch.ones(17, 17), 1) > 0
    s = (q.float() @ k.float().mT * scale).masked_fill(future, -math.inf)
    p = torch.softmax(s, -1)

    def backward(dout):
        d = dout.float()
        ds = p * (d @ v.float().mT) * scale
        return tuple(g.to(q.dtype) for g in (ds @ k.float(), ds.mT @ q.float(), p.mT @ d))

    return (p @ v.float()).to(q.dtype), backward


@fault("layer_norm")
def eps_outside_the_root(x, g, b):
    c = x - x.mean(-1, keepdim=True)
    return c / (torch.sqrt((c * c).mean(-1, keepdim=True)) + EPS) * g + b


@fault("layer_norm", "bfloat16")
def variance_of_n_less_one(x, g, b):
    z = x.float()
    return ((z - z.mean(-1, keepdim=True)) / (z.std(-1, keepdim=True) + EPS) * g + b).to(x.dtype)


@fault("rms_norm", "float16")
def mean_subtracted_where_none_is_due(x, g):
    z = x.float() - x.float().mean(-1, keepdim=True)
    return (z * torch.rsqrt((z * z).mean(-1, keepdim=True) + EPS) * g).half()


# Places.


@fault("attention", "float16")
def causal_off_by_one(q, k, v):
    future = torch.triu(torch.ones(17, 17), 2) > 0
    s = (q.float() @ k.float().mT / math.sqrt(8)).masked_fill(future, -math.inf)
    return (torch.softmax(s, -1) @ v.float()).half()


@fault("cross_entropy")
def label_off_by_one(x, t):
    return torch.nn.functional.cross_entropy(x, (t + 1) % x.shape[1])


@fault("rotary", "bfloat16")
def rotated_the_same_way_back(x, cos, sin):
    out, back = right("rotary")(x, cos, sin)

    def backward(dout):
        _, dcos, dsin = back(dout)
        return right("rotary")(dout, cos, sin)[0], dcos, dsin

    return out, backward


@fault("swiglu", "bfloat16")
def gradients_swapped(x, gate):
    out, back = right("swiglu")(x, gate)
    return out, lambda dout: back(dout)[::-1]


@fault("matmul", "bfloat16")
def dx_by_the_wrong_order(x, w):
    return x @ w, lambda dout: ((w @ dout.T).reshape(x.shape), x.T @ dout)


# Range.


@fault("softmax", "bfloat16")
def the_maximum_not_subtracted(x):
    e = torch.exp(x.float())
    return (e / e.sum(-1, keepdim=True)).to(x.dtype)


@fault("logsumexp")
def the_maximum_not_subtracted_in_logsumexp(x):
    return torch.log(torch.exp(x).sum(-1))


@fault("swiglu", "bfloat16")
def nan_where_the_gate_is_far_below_zero(x, gate):
    e = torch.exp(gate.float())
    return (x.float() * gate.float() * (e / (1 + e))).to(x.dtype)


@fault("matmul")
def only_positive_products(x, w):
    return (x @ w).relu()


@fault("rms_norm")
def a_wrong_dtype(x, g):
    return right("rms_norm")(x, g)[0].half()


# Less precise than is due: the formula is right.


@fault("matmul", imprecise=True)
def tf32(x, w):
    def cut(a):
        return (a.view(torch.int32) & ~0x1FFF).view(torch.float32)

    return cut(x) @ cut(w)


@fault("attention", imprecise=True)
def float16_inside(q, k, v):
    return BY_HAND["attention"](How(wide=False))(q.half(), k.half(), v.half())[0].float()


@fault("softmax", imprecise=True)
def bfloat16_inside(x):
    return torch.softmax(x.bfloat16(), -1).float()


@fault("row_sum", "bfloat16", imprecise=True)
def accumulated_in_bfloat16(x):
    total = torch.zeros_like(x[:, 0])
    for i in range(x.shape[1]):
        total = total + x[:, i]
    return total
