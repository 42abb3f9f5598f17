"""What a source of models and a source of pictures hand over, and the transform between file and tensor."""

from xaikit.sources.contract import Box as Box
from xaikit.sources.contract import DataSource as DataSource
from xaikit.sources.contract import FileAnnotation as FileAnnotation
from xaikit.sources.contract import Kind as Kind
from xaikit.sources.contract import ModelSource as ModelSource
from xaikit.sources.contract import OpenedModel as OpenedModel
from xaikit.sources.contract import Photograph as Photograph
from xaikit.sources.contract import Polygon as Polygon
from xaikit.sources.transform import IMAGENET as IMAGENET
from xaikit.sources.transform import Fit as Fit
from xaikit.sources.transform import Interpolation as Interpolation
from xaikit.sources.transform import Transform as Transform
