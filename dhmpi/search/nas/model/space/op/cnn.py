"""Operations on images, of shape (height, width, features).

All give `num_filters` features, so that the results of any two of the same stride can be added.
"""

from typing import Any

from dhmpi.search.nas.model.space.op.basic import Kind, Operation, check_counts
from dhmpi.search.nas.model.space.op.tensors import KerasTensor, layer


class _Filtering(Operation):
    """Filters of one size and stride, each moved over the image; `padding` is `SAME` or `VALID`."""

    kind = Kind.MIX

    def __init__(self, height: int, width: int, num_filters: int, stride: int, padding: str) -> None:
        check_counts(height=height, width=width, num_filters=num_filters, stride=stride)
        self.height, self.width, self.num_filters = height, width, num_filters
        self.stride, self.padding = stride, padding

    def __str__(self) -> str:
        return f"{type(self).__name__}_{self.height}x{self.width}"

    def _moved(self, kind: str, **settings: Any) -> Any:
        """Return a new layer with the stride and the padding."""
        return layer(kind, strides=self.stride, padding=self.padding.lower(), **settings)


class IdentityConv2D(_Filtering):
    """Convolution by a filter of the stride's size, then batch normalisation: the image, made to fit.

    Args:
        num_filters: Number of filters.
        stride: Distance from one place of a filter to the next; also its height and width.
    """

    def __init__(self, num_filters: int = 32, stride: int = 1) -> None:
        super().__init__(stride, stride, num_filters, stride, "SAME")

    def __call__(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Return the new image."""
        convolution = self._moved("Conv2D", filters=self.num_filters, kernel_size=(self.height, self.width))
        return layer("BatchNormalization")(convolution(self.only(inputs)))


class Convolution2D(_Filtering):
    """Convolution with a rectified linear activation.

    Args:
        h: Height of the filters.
        w: Width of the filters.
        num_filters: Number of filters.
        stride: Distance from one place of a filter to the next.
        padding: `SAME` or `VALID`.
    """

    def __init__(self, h: int, w: int, num_filters: int = 32, stride: int = 1, padding: str = "SAME") -> None:
        super().__init__(h, w, num_filters, stride, padding)

    def __call__(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Return the new image."""
        convolution = self._moved(
            "Conv2D", filters=self.num_filters, kernel_size=(self.height, self.width), activation="relu"
        )
        return convolution(self.only(inputs))


class DepthwiseSeparable2D(_Filtering):
    """Convolution of each feature by itself, then of all at each place, with a rectified linear activation.

    Args:
        h: Height of the filters.
        w: Width of the filters.
        num_filters: Number of features afterwards.
        depth_multiplier: Number of filters for each feature.
        stride: Distance from one place of a filter to the next.
        padding: `SAME` or `VALID`.
    """

    def __init__(
        self,
        h: int,
        w: int,
        num_filters: int = 32,
        depth_multiplier: int = 1,
        stride: int = 1,
        padding: str = "SAME",
    ) -> None:
        super().__init__(h, w, num_filters, stride, padding)
        check_counts(depth_multiplier=depth_multiplier)
        self.depth_multiplier = depth_multiplier

    def __call__(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Return the new image."""
        convolution = self._moved(
            "SeparableConv2D",
            filters=self.num_filters,
            kernel_size=(self.height, self.width),
            depth_multiplier=self.depth_multiplier,
            activation="relu",
        )
        return convolution(self.only(inputs))


class Dilation2D(_Filtering):
    """Convolution by filters with gaps, with a rectified linear activation.

    Args:
        h: Height of the filters, without gaps.
        w: Width of the filters, without gaps.
        num_filters: Number of filters.
        stride: Distance from one place of a filter to the next; above 1 there are no gaps.
        rate_height: Distance of the filters' rows.
        rate_width: Distance of the filters' columns.
        padding: `SAME` or `VALID`.
    """

    def __init__(
        self,
        h: int,
        w: int,
        num_filters: int = 32,
        stride: int = 1,
        rate_height: int = 2,
        rate_width: int = 2,
        padding: str = "SAME",
    ) -> None:
        super().__init__(h, w, num_filters, stride, padding)
        check_counts(rate_height=rate_height, rate_width=rate_width)
        self.rates = (rate_height, rate_width) if stride == 1 else (1, 1)  # no back end does both at once

    def __call__(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Return the new image."""
        convolution = self._moved(
            "Conv2D",
            filters=self.num_filters,
            kernel_size=(self.height, self.width),
            dilation_rate=self.rates,
            activation="relu",
        )
        return convolution(self.only(inputs))


class MaxPooling2D(_Filtering):
    """Maximum over windows, then a convolution of size 1 and batch normalisation.

    Args:
        kernel_height: Height of the windows.
        kernel_width: Width of the windows.
        stride: Distance from one window to the next.
        padding: `SAME` or `VALID`.
        num_filters: Number of filters of the convolution.
    """

    _layer = "MaxPooling2D"

    def __init__(
        self, kernel_height: int, kernel_width: int, stride: int = 1, padding: str = "SAME", num_filters: int = 32
    ) -> None:
        super().__init__(kernel_height, kernel_width, num_filters, stride, padding)

    def __call__(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Return the new image."""
        pooled = self._moved(self._layer, pool_size=(self.height, self.width))(self.only(inputs))
        return layer("BatchNormalization")(layer("Conv2D", filters=self.num_filters, kernel_size=1)(pooled))


class AvgPooling2D(MaxPooling2D):
    """Mean over windows, then a convolution of size 1 and batch normalisation; see `MaxPooling2D` for the arguments."""

    _layer = "AveragePooling2D"


class GlobalAverage(Operation):
    """Concatenates the means of every feature over its image, for images of any sizes."""

    def __call__(self, inputs: list[KerasTensor]) -> KerasTensor:
        """Return a vector."""
        means = [layer("GlobalAveragePooling2D")(image) for image in inputs]
        return means[0] if len(means) == 1 else layer("Concatenate")(means)
