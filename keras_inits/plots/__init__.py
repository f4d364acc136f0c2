"""Every figure. Matplotlib is imported when one is asked for, and the user's settings stay as they are.

Figures are made without pyplot: none is shown by itself and no backend is chosen. In a notebook
(`%matplotlib inline`) the figure on a cell's last line appears; `figure.savefig(path)` writes it.
"""

from keras_inits.comparison.curves import learning_curves
from keras_inits.plots.densities import exact_density, histograms
from keras_inits.plots.spectra import singular_values
from keras_inits.reports.figure import report_figure

__all__ = ["exact_density", "histograms", "learning_curves", "report_figure", "singular_values"]
