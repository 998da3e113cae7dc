#!/usr/bin/env python3
"""Computes what package evaluate computes, with the libraries that define it.

    reference.py --write FILE    writes random rows and the figures of them
    reference.py --check FILE    computes both again, and compares them with the file

The file is JSON, compressed with gzip. The Go test reads it and compares its own figures.
requirements.txt pins the libraries; pip installs them with --no-deps, since of netcal and
evidently only the files with the formulas are loaded: the rest needs gigabytes of others.
"""
import gzip
import importlib.abc
import importlib.machinery
import importlib.util
import json
import math
import os
import sys
import types
import warnings

import numpy as np
import pandas as pd
from sklearn.calibration import calibration_curve
from sklearn.metrics import (accuracy_score, brier_score_loss, confusion_matrix, precision_recall_curve,
                             precision_recall_fscore_support, top_k_accuracy_score)
from statsmodels.stats.proportion import proportion_confint

warnings.simplefilter('ignore')

BINS, SCORE_BINS = 15, 20
WANTED = [0.9, 0.95, 0.99, 0.999]
KS = [1, 2, 3, 5, 10]


class Part(types.ModuleType):
    """A module of which every name is an empty class."""

    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        return type(name, (), {})


class Absent(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stands in for modules that are imported and not used by the formulas."""
    roots = {'torch', 'torchvision', 'pyro', 'gpytorch', 'tensorboard', 'tqdm', 'matplotlib'}
    modules = {'evidently.legacy.core', 'evidently.legacy.calculations.stattests.registry'}
    # Packages that are found where they are, without running their __init__.py.
    bare = {'evidently', 'evidently.legacy', 'evidently.legacy.calculations', 'evidently.legacy.calculations.stattests'}

    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in self.roots or name in self.modules:
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        if name in self.bare:
            found = importlib.machinery.PathFinder.find_spec(name, path)
            spec = importlib.machinery.ModuleSpec(name, self, is_package=True)
            spec.submodule_search_locations = found.submodule_search_locations
            return spec
        return None

    def create_module(self, spec):
        return types.ModuleType(spec.name) if spec.name in self.bare else Part(spec.name)

    def exec_module(self, module):
        if module.__name__ == 'evidently.legacy.core':
            module.ColumnType = types.SimpleNamespace(Numerical='num', Categorical='cat')
        elif module.__name__.endswith('.registry'):
            module.StatTest = types.SimpleNamespace
            module.register_stattest = lambda *a: None


sys.meta_path.insert(0, Absent())
from evidently.legacy.calculations.stattests.jensenshannon import _jensenshannon  # noqa: E402
from evidently.legacy.calculations.stattests.psi import _psi  # noqa: E402
from netcal.metrics import ECE, MCE  # noqa: E402


def value(v):
    """Returns a number for JSON: None for what does not exist."""
    v = float(v)
    return v if math.isfinite(v) else None


def wilson(count, of):
    if of == 0:
        return [None, None, None]
    low, high = proportion_confint(count, of, alpha=0.05, method='wilson')
    return [count / of, value(low), value(high)]


# ---- random rows ----

def rows(seed, n, classes, listed=5, skew=0.0, right=0.7, score=None, no_truth=0.0, failed=0.0, truths=None, answers=None):
    """Returns rows: the truth (-1 if it is not known), the classes of the answer, best first, and the best score."""
    rng = np.random.default_rng(seed)
    weights = np.exp(-skew * np.arange(classes))
    truths = np.arange(classes) if truths is None else np.array(truths)
    answers = np.arange(classes) if answers is None else np.array(answers)
    out = []
    for _ in range(n):
        w = weights[truths] / weights[truths].sum()
        is_ = int(rng.choice(truths, p=w))
        order = [int(a) for a in rng.permutation(answers)]
        if is_ in order and rng.random() < right:
            order.remove(is_)
            order.insert(0, is_)
        s = rng.random() if score is None else score(rng, order[0] == is_)
        order = order[:listed]
        if rng.random() < failed:
            order, s = [], 0
        if rng.random() < no_truth:
            is_ = -1
        out.append((is_, order, float(np.float32(s))))
    return out


def sure(rng, right):
    return 1 - rng.random() ** 3 * (0.3 if right else 0.8)


def better(rng, right):
    return min(1, max(0, rng.normal(0.8 if right else 0.4, 0.15)))


CASES = {
    'balanced': lambda: rows(1, 600, 5),
    'balanced again': lambda: rows(2, 600, 5, score=better),
    'ties': lambda: rows(3, 600, 4, score=lambda rng, right: round(better(rng, right), 1)),
    'unbalanced': lambda: rows(4, 800, 8, skew=1.2, score=better),
    'unbalanced again': lambda: rows(5, 800, 8, skew=1.2, right=0.95, score=sure),
    'classes without truth or answers': lambda: rows(6, 400, 8, truths=[0, 1, 2, 3, 4], answers=[2, 3, 4, 5, 6, 7]),
    'nothing in common': lambda: rows(7, 100, 6, truths=[0, 1, 2], answers=[3, 4, 5]),
    'one class': lambda: rows(8, 200, 1, score=better),
    'scores of 0 and 1': lambda: rows(9, 500, 3, score=lambda rng, right: float(rng.random() < (0.8 if right else 0.3))),
    'edges of bins': lambda: rows(10, 500, 3, score=lambda rng, right: rng.integers(0, 61) / 60),
    'all right': lambda: rows(11, 100, 3, right=1, score=sure),
    'all wrong': lambda: rows(12, 100, 2, right=0, score=sure, truths=[0], answers=[1]),
    'one image': lambda: rows(13, 1, 3),
    'many classes': lambda: rows(14, 1500, 150, listed=12, skew=0.02, score=better),
    'failed and without truth': lambda: rows(15, 600, 5, score=better, no_truth=0.3, failed=0.2),
    'two classes': lambda: rows(16, 500, 2, listed=2, score=lambda rng, right: rng.uniform(0.5, 1)),
    'very precise': lambda: rows(17, 2000, 3, right=0.999, score=sure),
}


# ---- figures with a truth ----

def thresholds(right, score, of):
    out = []
    for wanted in WANTED:
        found = None
        if len(score):
            precision, _, at = precision_recall_curve(right, score)
            reached = np.flatnonzero(precision[:-1] >= wanted)
            if len(reached):
                low = at[reached[0]]
                remain = int((score >= low).sum())
                found = [float(low), float(precision[reached[0]]), remain, remain / of]
        out.append(found)
    return out


def evaluated(data):
    judged = [r for r in data if r[0] >= 0 and r[1]]
    truth = np.array([r[0] for r in judged], dtype=int)
    answer = np.array([r[1][0] for r in judged], dtype=int)
    score = np.array([r[2] for r in judged], dtype=np.float64)
    right = (truth == answer).astype(int)
    known = sum(r[0] >= 0 for r in data)
    labels = sorted(set(truth) | set(answer))
    n = len(judged)
    out = {
        'judged': n,
        'accuracy': [value(accuracy_score(truth, answer))] + wilson(int(right.sum()), n)[1:],
        'coverage': wilson(n, known),
        'accuracy_of_all': wilson(int(right.sum()), known),
    }
    assert out['accuracy'][0] == wilson(int(right.sum()), n)[0]
    shortest = min(len(r[1]) for r in judged)
    width = max(3, max(max(r[1]) for r in judged) + 1, int(truth.max()) + 1)
    ranks = np.full((n, width), -1000.0)
    for i, r in enumerate(judged):
        for place, c in enumerate(r[1]):
            ranks[i, c] = -place
    # Scikit-learn knows no k of all classes or more.
    out['topk'] = {k: value(top_k_accuracy_score(truth, np.hstack([ranks, np.full((n, 20), -2000.0)]), k=k, labels=np.arange(width + 20)))
                   for k in KS if k <= shortest}
    precision, recall, f1, support = precision_recall_fscore_support(truth, answer, labels=labels, zero_division=np.nan)
    out['classes'] = {}
    for i, c in enumerate(labels):
        said = answer == c
        correct = int((said & (truth == c)).sum())
        out['classes'][int(c)] = {
            'truth': int(support[i]), 'precision': value(precision[i]), 'recall': value(recall[i]), 'f1': value(f1[i]),
            'precision_bounds': wilson(correct, int(said.sum()))[1:], 'recall_bounds': wilson(correct, int(support[i]))[1:],
            'thresholds': thresholds(right[said], score[said], int(said.sum())),
        }
    for average in 'macro', 'weighted', 'micro':
        out[average] = [value(v) for v in precision_recall_fscore_support(truth, answer, labels=labels, average=average, zero_division=0)[:3]]
    out['confusion'] = confusion_matrix(truth, answer, labels=labels).tolist()
    accuracies, means = calibration_curve(right, score, n_bins=BINS, pos_label=1)
    out['bins'] = [[value(m), value(a)] for m, a in zip(means, accuracies)]
    out['ece'] = value(ECE(BINS).measure(score, right))
    out['mce'] = value(MCE(BINS).measure(score, right))
    out['brier'] = value(brier_score_loss(right, score, pos_label=1))
    out['thresholds'] = thresholds(right, score, n)
    return out


# ---- figures of two outputs ----

def pair(seed, n, classes, skew_here=0.0, skew_there=0.0, flip=0.2, missing=0.0, here=better, there=better, only_here=(), only_there=()):
    """Returns the answers here and there: a class and a score, or None without a row."""
    rng = np.random.default_rng(seed)
    def weights(skew, without):
        w = np.exp(-skew * np.arange(classes))
        w[list(without)] = 0
        return w / w.sum()
    mine, other = weights(skew_here, only_there), weights(skew_there, only_here)
    out = []
    for _ in range(n):
        a = int(rng.choice(classes, p=mine))
        b = int(rng.choice(classes, p=other)) if rng.random() < flip or a in only_here else a
        row = [[a, float(np.float32(here(rng, True)))], [b, float(np.float32(there(rng, a == b)))]]
        for side in 0, 1:
            if rng.random() < missing:
                row[side] = None
        out.append(row)
    return out


PAIRS = {
    'alike': lambda: pair(21, 500, 5),
    'the same': lambda: pair(22, 300, 4, flip=0, there=lambda rng, right: 0.5, here=lambda rng, right: 0.5),
    'shifted': lambda: pair(23, 800, 6, skew_there=0.8, flip=0.9, there=sure),
    'new and vanished labels': lambda: pair(24, 600, 8, only_here=(0, 1), only_there=(6, 7), flip=0.7),
    'rare labels': lambda: pair(25, 10500, 12, skew_here=1.0, skew_there=0.9, flip=0.5, only_there=(11,)),
    'rows that one side lacks': lambda: pair(26, 500, 5, missing=0.2, skew_there=0.4),
    'one label': lambda: pair(27, 100, 1),
    'scores of 0 and 1': lambda: pair(28, 300, 3, here=lambda rng, right: float(rng.random() < 0.7), there=lambda rng, right: float(rng.random() < 0.4)),
    'many labels': lambda: pair(29, 1500, 100, skew_here=0.03, skew_there=0.01, flip=0.6),
    'scores of one end': lambda: pair(30, 300, 3, here=lambda rng, right: rng.uniform(0.9, 1), there=lambda rng, right: rng.uniform(0, 0.1)),
}


def distance(here, there):
    here, there = pd.Series(here), pd.Series(there)
    psi, _ = _psi(there, here, 'cat', 0)
    js, _ = _jensenshannon(there, here, 'cat', 0, base=2)
    return [value(psi), value(js) ** 2, value(js)]


def compared(data):
    here = [r[0] for r in data if r[0]]
    there = [r[1] for r in data if r[1]]
    both = [r for r in data if r[0] and r[1]]
    before, after = [r[1][0] for r in both], [r[0][0] for r in both]
    labels = sorted({a[0] for a in here} | {a[0] for a in there})
    edges = np.linspace(0, 1, SCORE_BINS + 1)
    bin_of = lambda s: [int(np.argmax(np.histogram([v], edges)[0])) for v in s]
    moved = np.array([r[0][1] - r[1][1] for r in both])
    matrix = confusion_matrix(before, after, labels=labels)
    return {
        'compared': len(both), 'same': int(np.trace(matrix)), 'moves': matrix.tolist(), 'labels': labels,
        'flip_share': wilson(len(both) - int(np.trace(matrix)), len(both)),
        'label': distance([a[0] for a in here], [a[0] for a in there]),
        'score': distance(bin_of([a[1] for a in here]), bin_of([a[1] for a in there])),
        'scores': [np.histogram([a[1] for a in side], edges)[0].tolist() for side in (here, there)],
        'mean_score_change': value(moved.mean()), 'mean_score_moved': value(np.abs(moved).mean()),
    }


def short(score):
    """Returns the shortest decimal number that is the same score of 32 bits."""
    return float(str(np.float32(score)))


def columns(data):
    """Returns rows with a truth as columns."""
    return {'is': [r[0] for r in data], 'ranked': [r[1] for r in data], 'score': [short(r[2]) for r in data]}


def sides(data):
    """Returns the answers here and there as columns; a class of -1 is that of no row."""
    return {name: {'class': [r[side][0] if r[side] else -1 for r in data], 'score': [short(r[side][1]) if r[side] else 0 for r in data]}
            for side, name in enumerate(['here', 'there'])}


def make():
    out = {'truth': {}, 'drift': {}}
    for part, cases, form, figures in ('truth', CASES, columns, evaluated), ('drift', PAIRS, sides, compared):
        for name, data in cases.items():
            data = data()
            out[part][name] = {'rows': form(data), 'figures': figures(data)}
    return out


def differences(a, b, where=''):
    """Yields where two values are further apart than 1e-9."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        for k in a:
            yield from differences(a[k], b[k], f'{where}/{k}')
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b)):
            yield from differences(x, y, f'{where}/{i}')
    elif isinstance(a, (int, float)) and isinstance(b, (int, float)):
        if not math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9):
            yield f'{where}: {a} is now {b}'
    elif a != b:
        yield f'{where}: {str(a)[:100]} is now {str(b)[:100]}'


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ('--write', '--check'):
        sys.exit(__doc__)
    made = json.loads(json.dumps(make()))
    if sys.argv[1] == '--write':
        with open(sys.argv[2], 'wb') as f, gzip.GzipFile(fileobj=f, mode='wb', mtime=0, filename='') as z:
            z.write(json.dumps(made, separators=(',', ':')).encode())
        return
    with gzip.open(sys.argv[2]) as f:
        found = list(differences(json.load(f), made))
    for line in found[:20]:
        print(line)
    if found:
        sys.exit(f'{len(found)} values differ from those in {os.path.basename(sys.argv[2])}')
    print(f'{len(made["truth"])} results and {len(made["drift"])} pairs of outputs: the libraries give the values that are kept')


main()
