"""Which rows are held out: shares of classes, whole groups, folds."""

import numpy as np
import pytest

from handgrad.data import DataError, Dataset, folds, load, split_rows

RNG = np.random.default_rng(0)
CLASSES = np.repeat([0, 1, 2], [70, 25, 5])
GROUPS = RNG.integers(12, size=100)


def assert_parts(parts, n=100):
    for train, test in parts:
        assert sorted([*train, *test]) == list(range(n))


@pytest.mark.parametrize("seed", range(5))
def test_each_class_by_its_share(seed):
    train, test = split_rows(100, 0.2, seed, strata=CLASSES)
    assert_parts([(train, test)])
    assert np.bincount(CLASSES[test]).tolist() == [14, 5, 1]
    for _, held in folds(100, 5, seed, strata=CLASSES):
        assert np.bincount(CLASSES[held], minlength=3).tolist() == [14, 5, 1]


@pytest.mark.parametrize("seed", range(5))
def test_groups_stay_whole(seed):
    train, test = split_rows(100, 0.3, seed, groups=GROUPS)
    assert_parts([(train, test)])
    assert not set(GROUPS[train]) & set(GROUPS[test])
    assert 30 <= len(test) < 30 + np.bincount(GROUPS).max()
    made = folds(100, 4, seed, groups=GROUPS)
    assert_parts(made)
    assert all(not set(GROUPS[train]) & set(GROUPS[test]) for train, test in made)
    sizes = [len(test) for _, test in made]
    assert sum(sizes) == 100
    assert max(sizes) - min(sizes) <= np.bincount(GROUPS).max()


def test_folds_cover_all_once_and_differ_by_seed():
    made = folds(11, 3, seed=1)
    assert sorted(np.concatenate([test for _, test in made])) == list(range(11))
    assert [len(test) for _, test in made] == [4, 4, 3]
    assert [test.tolist() for _, test in made] != [test.tolist() for _, test in folds(11, 3, seed=2)]


def test_the_plain_split_is_what_it_was():
    order = np.random.Generator(np.random.PCG64(3)).permutation(10)
    train, test = split_rows(10, 0.3, 3)
    assert (test == order[:3]).all()
    assert (train == order[3:]).all()


def test_a_column_of_groups(tmp_path):
    rows = [f"{i},{i % 4},{'ab'[i % 2]}" for i in range(40)]
    (tmp_path / "t.csv").write_text("x,patient,label\n" + "\n".join(rows))
    data = load(tmp_path / "t.csv", target="label", group="patient")
    assert data.x.names == ("x",)
    train, test = data.split(0.25)
    assert not set(train.groups) & set(test.groups)
    assert len(test) == 10
    with pytest.raises(DataError, match="no column 'patint' of groups: it has 'x', 'patient'"):
        load(tmp_path / "t.csv", target="label", group="patint")
    with pytest.raises(DataError, match="split by groups: only classes"):
        data.split(0.25, stratify=True)


def test_misuse():
    with pytest.raises(DataError, match="1 folds of 10 examples"):
        folds(10, 1)
    with pytest.raises(DataError, match="5 folds of 2 groups"):
        folds(10, 5, groups=np.arange(10) % 2)
    with pytest.raises(DataError, match="leaves a part empty"):
        split_rows(10, 0.5, groups=np.zeros(10))
    with pytest.raises(DataError, match="split of numbers"):
        Dataset(np.ones((4, 2)), np.ones(4)).split(0.5, stratify=True)
