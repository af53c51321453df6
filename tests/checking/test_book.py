"""The book's layers and networks, as they are written there, singly and together."""

import numpy as np
import pytest

from handgrad.checking import check
from tests.checking import book

RNG = np.random.default_rng(7)
N = RNG.normal
LABELS = np.array([0, 2, 1, 1])
IMAGES = N(size=(2, 2, 6, 6))


def affine(n, m):
    return book.Affine(N(size=(n, m)), N(size=m))


CASES = {
    "Relu": (book.Relu(), (N(size=(4, 5)),)),
    "Sigmoid": (book.Sigmoid(), (N(size=(4, 5)),)),
    "Affine": (affine(6, 3), (N(size=(4, 6)),)),
    "Affine of images": (affine(72, 3), (IMAGES,)),
    "Dropout": (book.Dropout(), (N(size=(4, 5)),)),
    "BatchNormalization": (book.BatchNormalization(N(size=5), N(size=5)), (N(size=(4, 5)),)),
    "Convolution": (book.Convolution(N(size=(3, 2, 3, 3)), N(size=3), 1, 1), (IMAGES[:, :, :4, :4],)),
    "Convolution, stride": (book.Convolution(N(size=(3, 2, 2, 2)), N(size=3), 2), (IMAGES[:, :, :4, :4],)),
    "Pooling": (book.Pooling(2, 2), (IMAGES,)),
    "Embedding": (book.Embedding(N(size=(5, 3))), (np.array([1, 0, 1, 4]),)),
    "RNN": (book.RNN(N(size=(3, 2)), N(size=(2, 2)), N(size=2)), (N(size=(4, 3)), N(size=(4, 2)))),
    "LSTM": (
        book.LSTM(N(size=(3, 8)), N(size=(2, 8)), N(size=8)),
        (N(size=(4, 3)), N(size=(4, 2)), N(size=(4, 2))),
    ),
    "three layers": ([affine(6, 5), book.Relu(), affine(5, 3)], (N(size=(4, 6)),)),
    "four layers": (
        [affine(6, 5), book.BatchNormalization(N(size=5), N(size=5)), book.Relu(), affine(5, 3)],
        (N(size=(4, 6)),),
    ),
    "a loss at the end": ([affine(6, 3), book.SoftmaxWithLoss()], (N(size=(4, 6)), LABELS)),
    "rows of 0 and 1": ([affine(6, 3), book.SoftmaxWithLoss()], (N(size=(4, 6)), np.eye(3)[LABELS])),
    "TwoLayerNet": (book.TwoLayerNet(), (N(size=(4, 6)), LABELS)),
    "TwoLayerNet, rows of 0 and 1": (book.TwoLayerNet(), (N(size=(4, 6)), np.eye(3)[LABELS])),
}


@pytest.mark.parametrize("name", CASES)
def test_right_as_it_is(name):
    target, inputs = CASES[name]
    report = check(target, *inputs)
    assert report.ok is True, str(report)


def test_with_its_loss():
    net = [affine(6, 5), book.Sigmoid(), affine(5, 3)]
    report = check(net, N(size=(4, 6)), LABELS, loss=book.SoftmaxWithLoss)
    assert report.ok is True, str(report)
    assert "does not hear dout" in str(report)
    assert len(report.inputs) == 5


def test_the_loss_alone_does_not_hear_dout():
    report = check(book.SoftmaxWithLoss(), N(size=(4, 3)), LABELS)
    assert [cause.kind for cause in report.causes][:1] == ["upstream-ignored"]


class SigmoidOfItsSlope(book.Sigmoid):
    def backward(self, dout):
        return dout * (1.0 - self.out)


@pytest.mark.parametrize("labels", [LABELS, np.eye(3)[LABELS]])
def test_a_wrong_layer_of_a_network_is_named(labels):
    report = check(book.TwoLayerNet(between=SigmoidOfItsSlope), N(size=(4, 6)), labels)
    assert report.ok is False
    assert "SigmoidOfItsSlope" in report.parts[0].target
    wrong = {i.name for i in report.inputs if i.verdict == "wrong"}
    assert wrong == {"self.W1", "self.b1"}


def test_evaluation_mode_has_no_caches():
    report = check(book.Dropout(), N(size=(4, 5)), options={"train_flg": False})
    assert report.ok is False
