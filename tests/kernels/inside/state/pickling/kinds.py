"""A value of each kind that published lists of notebooks' values have, as far as kernels have its library.

By kind: an expression that makes a value, and one that looks at it (`it`), which gives the same in another
kernel. The kinds are those of Kishu's list (Li et al., PVLDB 18(4)) and some of their neighbours.
"""

SETUP = """
import json, matplotlib.colors, matplotlib.dates, matplotlib.patches, matplotlib.pyplot as plt
import networkx as nx, numpy as np, pandas as pd, polars as pl, seaborn as sns, sklearn, tqdm
import plotly.express as px, plotly.figure_factory, plotly.graph_objects as go, plotly.io, plotly.offline
import plotly.subplots, statsmodels.api as sm, statsmodels.formula.api as smf
import scipy.integrate, scipy.interpolate, scipy.ndimage, scipy.optimize, scipy.signal, scipy.sparse
import scipy.spatial, scipy.spatial.distance, scipy.special, scipy.stats
from sklearn import (base, cluster, compose, datasets, decomposition, discriminant_analysis, dummy, ensemble,
    feature_extraction, feature_selection, gaussian_process, impute, kernel_ridge, linear_model, manifold,
    metrics, mixture, model_selection, multiclass, naive_bayes, neighbors, neural_network, pipeline,
    preprocessing, random_projection, svm, tree, utils)

class Halving(base.BaseEstimator):
    def __init__(self, *, by=2):
        self.by = by
    def fit(self, rows, _=None):
        self.width_ = rows.shape[1]
        return self
    def predict(self, rows):
        return rows.sum(axis=1) / self.by

flowers = datasets.load_iris()
measured, sort = flowers.data[::10], flowers.target[::10]
holes = np.where(measured > 5, np.nan, measured)
penguins = pd.DataFrame(measured, columns=list("abcd")).assign(sort=sort)
""".strip()

ROUNDED = "np.round(it.predict(measured), 6).tolist()"
CHANGED = "np.round(it.transform(measured), 6).tolist()"
SCALER = "preprocessing.StandardScaler()"
DRAWN = "[type(each).__name__ for each in it.get_children()], it.get_xlabel(), it.figure.axes[0] is it"
PLOTLY = "json.dumps(it.to_plotly_json(), default=str, sort_keys=True)"
OPTIONS = "n_clusters=2, random_state=0, n_init=2"

KINDS: dict[str, tuple[str, str]] = {
    "numpy.ndarray": ("np.arange(6).reshape(2, 3)[:, ::2]", "it.tolist(), it.strides, it.dtype"),
    "numpy.ma.MaskedArray": ("np.ma.masked_invalid(holes)", "it.sum(), it.mask.sum()"),
    "numpy.matrix": ("np.matrix([[1, 2], [3, 4]])", "it * it, type(it)"),
    "numpy.random.Generator": ("np.random.default_rng(3)", "it.normal()"),
    "numpy.vectorize": ("np.vectorize(lambda x: x + 1, otypes=[int])", "it([1, 2]).tolist()"),
    "numpy.poly1d": ("np.poly1d([1, 2])", "it(3), it.order"),
    "numpy.dtype": ("np.dtype([('a', 'f4'), ('b', 'U3')])", "it, it.itemsize"),
    "numpy.datetime64": ("np.datetime64('2026-01-02')", "it, type(it)"),
    "pandas.Series": ("pd.Series([1, None, 3], name='s')", "it.to_dict(), it.name, it.dtype"),
    "pandas.DataFrame": ("penguins", "it.to_csv(), it.dtypes.to_dict()"),
    "pandas.Categorical": ("pd.Categorical(['a', 'b', 'a'], ordered=True)", "it.codes.tolist(), it.dtype"),
    "pandas.MultiIndex": ("pd.MultiIndex.from_product([[1, 2], ['x']])", "it.tolist()"),
    "pandas.Timestamp": ("pd.Timestamp('2026-01-02', tz='Asia/Tokyo')", "it, it.tz.key"),
    "pandas.api.typing.DataFrameGroupBy": ("penguins.groupby('sort')", "it['a'].sum().to_dict()"),
    "pandas.api.typing.Rolling": ("penguins['a'].rolling(2)", "it.sum().tolist()[1:]"),
    "polars.DataFrame": ("pl.DataFrame({'a': [1, 2], 'b': ['x', None]})", "it.to_dicts(), it.schema"),
    "polars.LazyFrame": (
        "pl.DataFrame({'a': [1, 2]}).lazy().filter(pl.col('a') > 1)",
        "it.collect().to_dicts()",
    ),
    "polars.Series": ("pl.Series('s', [[1], [2, 3]])", "it.to_list(), it.dtype"),
    "polars.Expr": ("pl.col('a').sum().over('b')", "str(it)"),
    "matplotlib.axes.Axes": ("plt.figure().add_subplot(xlabel='x')", DRAWN),
    "matplotlib.figure.Figure": (
        "plt.figure(figsize=(3, 2))",
        "it.get_size_inches().tolist(), it.number in plt.get_fignums()",
    ),
    "matplotlib.colors.ListedColormap": ("matplotlib.colors.ListedColormap(['r', 'g'])", "it.N, it(0)"),
    "matplotlib.colors.BoundaryNorm": (
        "matplotlib.colors.BoundaryNorm([0, 1, 3], 2)",
        "it([0.5, 2]).tolist()",
    ),
    "matplotlib.dates.WeekdayLocator": (
        "matplotlib.dates.WeekdayLocator(byweekday=matplotlib.dates.MO)",
        "it.tick_values(*map(pd.Timestamp, ('2026-01-01', '2026-02-01'))).tolist()",
    ),
    "matplotlib.dates.AutoDateFormatter": (
        "matplotlib.dates.AutoDateFormatter(matplotlib.dates.AutoDateLocator())",
        "it(20000.5), it.scaled",
    ),
    "matplotlib.lines.Line2D": (
        "plt.figure().subplots().stem([1, 2], [3, 4]).markerline",
        "it.get_xydata().tolist(), it.axes.lines[0] is it",
    ),
    "matplotlib.patches.Ellipse": (
        "matplotlib.patches.Ellipse((1, 2), 3, 4, angle=5)",
        "it.get_center(), it.get_angle(), it.get_width()",
    ),
    "matplotlib.patches.FancyArrowPatch": (
        "matplotlib.patches.FancyArrowPatch((0, 1), (2, 3), mutation_scale=9)",
        "it.get_path().vertices.tolist()",
    ),
    "seaborn.scatterplot": (
        "sns.scatterplot(data=penguins, x='a', y='b', ax=plt.figure().subplots())",
        DRAWN,
    ),
    "seaborn.histplot": ("sns.histplot(data=penguins, x='a', bins=4, ax=plt.figure().subplots())", DRAWN),
    "sklearn.base": ("Halving(by=4).fit(measured)", f"{ROUNDED}, it, it.width_"),
    "sklearn.cluster.KMeans": (f"cluster.KMeans({OPTIONS}).fit(measured)", ROUNDED),
    "sklearn.cluster.MiniBatchKMeans": (
        f"cluster.MiniBatchKMeans({OPTIONS}).partial_fit(measured)",
        "it.partial_fit(measured).predict(measured).tolist()",
    ),
    "sklearn.compose": (
        f"compose.ColumnTransformer([('a', {SCALER}, [0]), ('b', {SCALER}, slice(2, 4))]).fit(measured)",
        CHANGED,
    ),
    "sklearn.datasets.Bunch": ("flowers", "it.target_names.tolist(), it.data.sum(), it.data is it['data']"),
    "sklearn.datasets.make_friedman1": (
        "datasets.make_friedman1(5, random_state=1)",
        "it[0].tolist(), it[1].tolist()",
    ),
    "sklearn.decomposition.IncrementalPCA": (
        "decomposition.IncrementalPCA(2, batch_size=8).fit(measured)",
        CHANGED,
    ),
    "sklearn.discriminant_analysis": (
        "discriminant_analysis.LinearDiscriminantAnalysis().fit(measured, sort)",
        ROUNDED,
    ),
    "sklearn.dummy": ("dummy.DummyClassifier(strategy='most_frequent').fit(measured, sort)", ROUNDED),
    "sklearn.ensemble.AdaBoostClassifier": (
        "ensemble.AdaBoostClassifier(n_estimators=3, random_state=1).fit(measured, sort)",
        ROUNDED,
    ),
    "sklearn.ensemble.RandomForestRegressor": (
        "ensemble.RandomForestRegressor(3, random_state=1).fit(measured, sort)",
        ROUNDED,
    ),
    "sklearn.feature_extraction.text": (
        "feature_extraction.text.CountVectorizer().fit(['one two', 'two three'])",
        "it.vocabulary_, it.transform(['two two']).toarray().tolist()",
    ),
    "sklearn.feature_selection": (
        "feature_selection.SelectPercentile(feature_selection.chi2, percentile=50).fit(measured, sort)",
        CHANGED,
    ),
    "sklearn.gaussian_process": ("gaussian_process.GaussianProcessRegressor().fit(measured, sort)", ROUNDED),
    "sklearn.impute.SimpleImputer": (
        "impute.SimpleImputer().fit(holes)",
        "it.transform(holes).tolist(), it.missing_values",
    ),
    "sklearn.impute.KNNImputer": (
        "impute.KNNImputer(n_neighbors=2).fit(holes)",
        "it.transform(holes).tolist()",
    ),
    "sklearn.kernel_ridge": ("kernel_ridge.KernelRidge(kernel='rbf').fit(measured, sort)", ROUNDED),
    "sklearn.linear_model.LinearRegression": ("linear_model.LinearRegression().fit(measured, sort)", ROUNDED),
    "sklearn.linear_model.LogisticRegression": (
        "linear_model.LogisticRegression(solver='newton-cholesky').fit(measured, sort)",
        ROUNDED,
    ),
    "sklearn.manifold": (
        "manifold.LocallyLinearEmbedding(n_components=2).fit(measured)",
        "it.embedding_.tolist()",
    ),
    "sklearn.metrics": ("metrics.mean_squared_error([1, 2], [1, 4])", "it, type(it)"),
    "sklearn.metrics.pairwise": ("metrics.pairwise.euclidean_distances([[0, 1], [1, 1]])", "it.tolist()"),
    "sklearn.mixture": ("mixture.GaussianMixture(2, random_state=0).fit(measured)", ROUNDED),
    "sklearn.model_selection.GroupKFold": (
        "model_selection.GroupKFold(2)",
        "[rows.tolist() for rows, _ in it.split(measured, sort, sort)]",
    ),
    "sklearn.model_selection.GridSearchCV": (
        "model_selection.GridSearchCV(linear_model.Ridge(), {'alpha': [1, 2]}, cv=2).fit(measured, sort)",
        f"it.best_params_, {ROUNDED}",
    ),
    "sklearn.multiclass": (
        "multiclass.OneVsOneClassifier(svm.LinearSVC(random_state=0)).fit(measured, sort)",
        ROUNDED,
    ),
    "sklearn.naive_bayes": ("naive_bayes.GaussianNB().fit(measured, sort)", ROUNDED),
    "sklearn.neighbors": ("neighbors.KNeighborsClassifier(3).fit(measured, sort)", ROUNDED),
    "sklearn.neighbors.KDTree": ("neighbors.KDTree(measured)", "it.query(measured[:2], k=2)[1].tolist()"),
    "sklearn.neural_network": (
        "neural_network.MLPClassifier([4], random_state=1, max_iter=200, tol=1).fit(measured, sort)",
        ROUNDED,
    ),
    "sklearn.pipeline": (
        f"pipeline.make_pipeline({SCALER}, naive_bayes.GaussianNB()).fit(measured, sort)",
        ROUNDED,
    ),
    "sklearn.preprocessing": (
        "preprocessing.OneHotEncoder(drop='first').fit([['a', 1], ['b', 2]])",
        "it.transform([['b', 1]]).toarray().tolist(), it.drop",
    ),
    "sklearn.random_projection": (
        "random_projection.GaussianRandomProjection(2, random_state=np.random.RandomState(4)).fit(measured)",
        CHANGED,
    ),
    "sklearn.svm.LinearSVC": ("svm.LinearSVC(random_state=0).fit(measured, sort)", ROUNDED),
    "sklearn.svm.SVC": ("svm.SVC().fit(measured, sort)", ROUNDED),
    "sklearn.tree": (
        "tree.DecisionTreeClassifier(random_state=0).fit(measured, sort)",
        f"{ROUNDED}, it.tree_.node_count",
    ),
    "sklearn.utils": (
        "utils.shuffle(measured, scipy.sparse.coo_matrix(measured), random_state=0)",
        "it[0].tolist(), it[1].toarray().tolist()",
    ),
    "scipy.sparse": ("scipy.sparse.coo_array(measured)", "it.toarray().tolist(), it.format"),
    "scipy.spatial.Delaunay": (
        "scipy.spatial.Delaunay([[0, 0], [0, 1.1], [1, 0], [1, 1]])",
        "it.simplices.tolist(), it.find_simplex([[0.9, 0.9], [5, 5]]).tolist()",
    ),
    "scipy.spatial.ConvexHull": (
        "scipy.spatial.ConvexHull(measured[:, :2])",
        "it.vertices.tolist(), it.volume",
    ),
    "scipy.spatial.KDTree": ("scipy.spatial.KDTree(measured)", "it.query(measured[3], k=2)[1].tolist()"),
    "scipy.spatial.transform.Rotation": (
        "scipy.spatial.transform.Rotation.from_euler('z', 90, degrees=True)",
        "it.as_matrix().round(6).tolist()",
    ),
    "scipy.interpolate.CubicSpline": (
        "scipy.interpolate.CubicSpline([0, 1, 2], [0, 1, 4])",
        "it(1.5), it.x.tolist()",
    ),
    "scipy.interpolate.interp1d": ("scipy.interpolate.interp1d([0, 1, 2], [0, 1, 4])", "it(1.5)"),
    "scipy.ndimage": ("scipy.ndimage.convolve(measured, np.ones((2, 2)))", "it.tolist()"),
    "scipy.ndimage.rotate": ("scipy.ndimage.rotate(measured, 45, reshape=False)", "it.tolist()"),
    "scipy.optimize": (
        "scipy.optimize.minimize(scipy.optimize.rosen, [1.3, 0.7], method='Nelder-Mead')",
        "it.x.tolist(), it.success, it.message",
    ),
    "scipy.integrate.OdeSolution": (
        "scipy.integrate.solve_ivp(lambda t, y: -y, (0, 1), [1.0], dense_output=True)",
        "it.sol(0.5).tolist(), it.t.tolist()",
    ),
    "scipy.signal.lti": (
        "scipy.signal.lti(*scipy.signal.butter(2, 3, analog=True))",
        "it.num.tolist(), it.den.tolist()",
    ),
    "scipy.signal.windows": (
        "scipy.signal.windows.general_cosine(9, [1, 1.9, 1.3], sym=False)",
        "it.tolist()",
    ),
    "scipy.spatial.distance.directed_hausdorff": (
        "scipy.spatial.distance.directed_hausdorff(measured[:4], measured[4:])",
        "it",
    ),
    "scipy.spatial.distance": ("scipy.spatial.distance.euclidean([1, 0], [0, 1])", "it, type(it)"),
    "scipy.special": ("scipy.special.rel_entr([0.1, 0.9], [0.5, 0.5])", "it.tolist()"),
    "scipy.stats.linregress": (
        "scipy.stats.linregress(measured[:, 0], measured[:, 1])",
        "it, it.intercept_stderr",
    ),
    "scipy.stats.norm": ("scipy.stats.norm(2, 3)", "it.cdf(1), it.args"),
    "statsmodels.GLM": (
        "sm.GLM(sort, sm.add_constant(measured), family=sm.families.Poisson())",
        "it.fit().params.round(6).tolist(), type(it.family)",
    ),
    "statsmodels.OLS": (
        "smf.ols('a ~ b + np.log(c)', penguins).fit()",
        "it.params.round(6).to_dict(), it.predict(penguins).round(6).tolist()",
    ),
    "plotly.express": ("px.scatter(penguins, x='a', y='b', color='sort')", PLOTLY),
    "plotly.graph_objects.Bar": ("go.Figure(go.Bar(x=['a', 'b'], y=[1, 2]))", PLOTLY),
    "plotly.graph_objects.Scatter": (
        "go.Figure(go.Scatter(x=[1, 2], y=[4, 5])).update_layout(title='t')",
        PLOTLY,
    ),
    "plotly.graph_objects.Scatter alone": ("go.Scatter(x=[1], y=[2])", PLOTLY),
    "plotly.figure_factory": ("plotly.figure_factory.create_table([['a', 'b'], [1, 2]])", PLOTLY),
    "plotly.io": ("plotly.io.to_html(go.Figure(), include_plotlyjs=False, div_id='d')", "it"),
    "plotly.offline": ("plotly.offline.plot(go.Figure(), output_type='div', include_plotlyjs=False)", "it"),
    "plotly.subplots": (
        "plotly.subplots.make_subplots(2, 1, subplot_titles='pq').add_scatter(x=[1], y=[2], row=2, col=1)",
        f"{PLOTLY}, it.get_subplot(2, 1).yaxis.anchor",
    ),
    "networkx.Graph": ("nx.path_graph(4)", "sorted(it.edges), it.adj[1]"),
    "networkx.DiGraph": ("nx.DiGraph([(1, 2, {'w': 3})])", "it.edges(data=True), list(it.predecessors(2))"),
    "tqdm.tqdm": ("tqdm.tqdm(range(3), disable=True)", "list(it)"),
}

# Those that cannot be saved by their nature, and in which words they are named.
UNSAVED: dict[str, tuple[str, str]] = {
    "sklearn.model_selection.split": (
        "model_selection.GroupKFold(2).split(measured, sort, sort)",
        "a generator",
    ),
}
