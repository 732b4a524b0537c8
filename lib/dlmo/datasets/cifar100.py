"""CIFAR-100: 60,000 images of 100 classes, 32×32, and its 20 superclasses of 5 classes each."""

from dlmo.datasets.archive import Archive
from dlmo.datasets.cifar import Cifar, Layout
from dlmo.datasets.registry import register

ARCHIVE = Archive(
    folder="cifar-100-python",
    url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    md5="eb9058c3a382ffc7106e4002c42a8d85",
    files={
        "train": "16019d7e3df5f24257cddd939b257f8d",
        "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
        "meta": "7973b15100ade9c7d40fb424638fde48",
    },
)

# Both datasets hold out the same images, so that a network of one may be judged on the other.
LAYOUT = Layout(train=("train",), test="test", stratify="fine_labels", meta="meta")

CLASSES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly
camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile
cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo keyboard lamp
lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom
oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake
spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor
train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""

SUPERCLASSES = """
aquatic_mammals fish flowers food_containers fruit_and_vegetables household_electrical_devices
household_furniture insects large_carnivores large_man-made_outdoor_things
large_natural_outdoor_scenes large_omnivores_and_herbivores medium_mammals
non-insect_invertebrates people reptiles small_mammals trees vehicles_1 vehicles_2
"""

register(
    Cifar(
        name="cifar100",
        archive=ARCHIVE,
        layout=LAYOUT,
        labels="fine_labels",
        meta="fine_label_names",
        names=tuple(CLASSES.split()),
    )
)
register(
    Cifar(
        name="cifar100_coarse",
        archive=ARCHIVE,
        layout=LAYOUT,
        labels="coarse_labels",
        meta="coarse_label_names",
        names=tuple(SUPERCLASSES.split()),
    )
)
