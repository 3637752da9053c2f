"""Data sets as LightningDataModules: exact splits, exact orders, exact resumes."""

from gan_lab.data.base import Data, DataError, Images
from gan_lab.data.digits import Digits
from gan_lab.data.folder import ImageFolder
from gan_lab.data.items import Files, Items, Table
from gan_lab.data.torchvision_sets import CIFAR10, MNIST, FashionMNIST
from gan_lab.data.toy import Toy2D

__all__ = [
    "CIFAR10",
    "MNIST",
    "Data",
    "DataError",
    "Digits",
    "FashionMNIST",
    "Files",
    "ImageFolder",
    "Images",
    "Items",
    "Table",
    "Toy2D",
]
