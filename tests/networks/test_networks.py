"""Laws of the networks, over every generator, discriminator and condition of `gan_lab.networks`."""

import copy
import inspect

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from gan_lab import networks
from gan_lab.networks import DCGANDiscriminator, DCGANGenerator, Embedding, MLPDiscriminator, MLPGenerator, OneHot
from gan_lab.parts import Discriminator, Generator
from gan_lab.recipes import build, recipe


def members(base):
    found = [getattr(networks, name) for name in networks.__all__]
    return [cls for cls in found if issubclass(cls, base) and not inspect.isabstract(cls)]


GENERATORS, DISCRIMINATORS, CONDITIONS = members(Generator), members(Discriminator), members(networks.Condition)
SHAPES = [(c, s, s) for s in (8, 9, 16, 28, 32, 33, 64) for c in (1, 3)] + [(4, 20, 12), (1, 12, 21), (4, 16, 16)]
SMALL = {"width": 4, "hidden": [16], "z_dim": 6}
N = 3


def takes(cls, argument):
    return argument in inspect.signature(cls).parameters


def make(cls, shape, **arguments):
    """A small network of this class."""
    torch.manual_seed(0)
    arguments = {"shape": shape, **SMALL, **arguments}
    return cls(**{key: value for key, value in arguments.items() if takes(cls, key)})


def inputs(network):
    torch.manual_seed(1)
    return torch.randn(N, network.z_dim) if isinstance(network, Generator) else torch.rand(N, *network.shape) * 2 - 1


def variants(cls):
    """Every choice of norm and spectral norm that the class offers."""
    norms = inspect.signature(cls).parameters["norm"].annotation.__args__ if takes(cls, "norm") else [None]
    for norm in norms:
        for spectral in (False, True) if takes(cls, "spectral_norm") else [False]:
            yield {"norm": norm, "spectral_norm": spectral}


VARIANTS = [(cls, options) for cls in GENERATORS + DISCRIMINATORS for options in variants(cls)]
every_network = pytest.mark.parametrize("cls", GENERATORS + DISCRIMINATORS)
every_variant = pytest.mark.parametrize(("cls", "options"), VARIANTS)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_condition = pytest.mark.parametrize("condition", CONDITIONS)


# --- shapes and ranges ---


@every_shape
@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("cls", GENERATORS)
def test_generators_make_images_of_their_shape_and_range(cls, conditional, shape):
    generator = make(cls, shape, condition=OneHot(3) if conditional else None)
    image = generator(100 * inputs(generator), torch.arange(N) if conditional else None)
    assert image.shape == (N, *shape)
    assert generator.shape == shape
    assert generator.z_dim == SMALL["z_dim"]
    assert image.abs().max() <= 1


@every_shape
@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("cls", DISCRIMINATORS)
def test_discriminators_give_one_score_an_image(cls, conditional, shape):
    discriminator = make(cls, shape, condition=OneHot(3) if conditional else None)
    score = discriminator(inputs(discriminator), torch.arange(N) if conditional else None)
    assert score.shape == (N,)
    assert discriminator.shape == shape
    assert discriminator(inputs(discriminator)[:1].repeat(2, 1, 1, 1), torch.zeros(2, dtype=torch.long)).shape == (2,)


@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_points_are_unbounded(dimensions):
    generator = make(MLPGenerator, (dimensions,))
    points = generator(1e3 * inputs(generator))
    assert points.shape == (N, dimensions)
    assert points.abs().max() > 1
    discriminator = make(MLPDiscriminator, (dimensions,), spectral_norm=True, norm="layer")
    assert discriminator(points).shape == (N,)


@every_variant
def test_a_list_is_a_shape_too(cls, options):
    assert make(cls, [1, 8, 8], **options).shape == (1, 8, 8)


@every_network
def test_the_defaults_are_the_papers(cls):
    with torch.device("meta"):
        network = cls()
    assert network.shape == ((3, 64, 64) if "DCGAN" in cls.__name__ else (1, 28, 28))
    if cls in GENERATORS:
        assert network.z_dim == 100


# --- the port's numbers ---


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameters_of_the_port():
    with torch.device("meta"):
        assert parameters(DCGANGenerator()) == 3_576_704
        assert parameters(DCGANDiscriminator()) == 2_765_568


def test_widths_double_up_to_a_limit():
    def outputs(network):
        return [m.out_channels for m in network.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d))]

    with torch.device("meta"):
        assert outputs(DCGANGenerator((3, 128, 128), max_width=300)) == [300, 300, 256, 128, 64, 3]
        assert outputs(DCGANDiscriminator((3, 128, 128), max_width=300)) == [64, 128, 256, 300, 300, 1]
        assert outputs(DCGANGenerator((3, 32, 32), base_size=8)) == [128, 64, 3]


def test_first_weights():
    generator, discriminator = DCGANGenerator((3, 32, 32)), DCGANDiscriminator((3, 32, 32), norm="none")
    for network in (generator, discriminator):
        for module in network.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                assert module.weight.std().item() == pytest.approx(0.02, rel=0.1)
                assert module.bias is None or not module.bias.any()
            elif isinstance(module, _BatchNorm):
                assert module.weight.mean().item() == pytest.approx(1, abs=0.02)
                assert not module.bias.any()


# --- conditions ---


@every_condition
def test_conditions_tell_classes_apart(condition):
    part = condition(num_classes=5)
    code = part(torch.tensor([0, 1, 4, 1]))
    assert code.shape == (4, part.dim)
    assert part.num_classes == 5
    assert torch.equal(code[1], code[3])
    assert len(code.unique(dim=0)) == 3


@every_condition
def test_conditions_ask_for_the_number_of_classes(condition):
    with pytest.raises(ValueError, match="num_classes is needed; with gan-lab fit it comes from the data"):
        condition()


def test_one_hot():
    assert torch.equal(OneHot(3)(torch.tensor([2, 0])), torch.tensor([[0.0, 0, 1], [1, 0, 0]]))


def test_embedding_is_learned():
    assert sum(p.numel() for p in Embedding(10, dim=7).parameters()) == 70


@every_condition
@every_network
def test_the_condition_changes_the_output(cls, condition):
    network = make(cls, (1, 9, 9), condition=condition(3)).eval()
    x = inputs(network)
    first, same, other = (network(x, torch.full((N,), label)) for label in (0, 0, 2))
    assert torch.equal(first, same)
    assert not torch.isclose(first, other, rtol=1e-6, atol=0).any(dim=-1).all()


@every_network
def test_an_unconditional_network_ignores_labels(cls):
    network = make(cls, (1, 8, 8)).eval()
    assert torch.equal(network(inputs(network)), network(inputs(network), torch.arange(N)))


@every_network
def test_a_conditional_network_asks_for_labels(cls):
    network = make(cls, (1, 8, 8), condition=OneHot(3))
    with pytest.raises(ValueError, match="given no labels"):
        network(inputs(network))


@every_network
def test_conditional_networks_keep_their_precision(cls):
    network = make(cls, (1, 8, 8), condition=OneHot(3)).double()
    assert network(inputs(network).double(), torch.arange(N)).dtype == torch.float64


# --- gradients ---


@pytest.mark.parametrize("conditional", [False, True])
@every_variant
def test_every_parameter_gets_a_gradient(cls, options, conditional):
    network = make(cls, (1, 9, 12), condition=Embedding(3, dim=2) if conditional else None, **options)
    output = network(inputs(network), torch.arange(N) if conditional else None)
    torch.manual_seed(2)
    (output * torch.randn_like(output)).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        if not (options["norm"] == "layer" and name.endswith("bias")):
            assert parameter.grad.abs().sum() > 0, name


def second_order(network, x):
    """Gradients of ‖∇_x output‖² with respect to the parameters."""
    x = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(network(x).sum(), x, create_graph=True)
    return torch.autograd.grad(slope.square().sum(), list(network.parameters()), allow_unused=True)


def out_of_place(network):
    network = copy.deepcopy(network)
    for module in network.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    return network


@every_variant
def test_double_backward(cls, options):
    """It works, and activations in place change nothing."""
    if options["spectral_norm"]:  # evaluation mode: one more power iteration would change the weights
        network = make(cls, (1, 9, 12), **options).double().eval()
    else:
        network = make(cls, (1, 9, 12), **options).double()
    x = inputs(network).double()
    found, oracle = second_order(network, x), second_order(out_of_place(network), x)
    assert any(gradient is not None and gradient.abs().sum() > 0 for gradient in found)
    for gradient, expected in zip(found, oracle, strict=True):
        assert (gradient is None) == (expected is None)
        if gradient is not None:
            assert gradient.isfinite().all()
            torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize(("cls", "options"), [v for v in VARIANTS if v[1]["spectral_norm"]])
def test_double_backward_with_a_moving_spectral_norm(cls, options):
    network = make(cls, (1, 8, 8), **options).train()
    assert any(gradient is not None for gradient in second_order(network, inputs(network)))


# --- norms ---


def weights(network):
    layers = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    return [module.weight.flatten(1) for module in network.modules() if isinstance(module, layers)]


@pytest.mark.parametrize(("cls", "options"), [v for v in VARIANTS if v[1]["spectral_norm"]])
def test_spectral_norm(cls, options):
    def largest(spectral_norm):
        network = make(cls, (3, 16, 16), width=8, **{**options, "spectral_norm": spectral_norm})
        for _ in range(30):
            network(inputs(network))
        return torch.stack([torch.linalg.matrix_norm(weight, 2) for weight in weights(network.eval())])

    assert (largest(True) - 1).abs().max() < 0.05
    assert (largest(False) - 1).abs().max() > 0.2


@every_variant
def test_batch_norm_only_where_asked(cls, options):
    network = make(cls, (1, 16, 16), **options)
    assert any(isinstance(module, _BatchNorm) for module in network.modules()) == (options["norm"] == "batch")


@every_variant
def test_without_batch_norm_a_sample_stands_alone(cls, options):
    network = make(cls, (1, 9, 9), **options).double()
    network.eval() if options["spectral_norm"] else network.train()
    x = inputs(network).double()
    alone = torch.isclose(network(x)[:2], network(x[:2])).all()
    assert alone or options["norm"] == "batch"


def test_no_norm_at_the_ends():
    for network, ends in (
        (DCGANGenerator((1, 32, 32), width=4), [nn.ConvTranspose2d, nn.Tanh]),
        (DCGANDiscriminator((1, 32, 32), width=4).features, [nn.Conv2d, nn.LeakyReLU]),
    ):
        modules = [module for module in network.modules() if not list(module.children())]
        part = modules[-2:] if isinstance(network, DCGANGenerator) else modules[:2]
        assert [type(module) for module in part] == ends


# --- recipes, copies, refusals ---


@every_condition
@every_variant
def test_recipe(cls, options, condition):
    network = make(cls, (1, 8, 8), condition=condition(3), **options)
    twin = build(recipe(network))
    assert recipe(twin) == recipe(network)
    twin.load_state_dict(network.state_dict())
    x, label = inputs(network), torch.arange(N)
    assert torch.equal(network.eval()(x, label), twin.eval()(x, label))


@every_condition
def test_recipe_of_a_condition(condition):
    assert recipe(build(recipe(condition(3)))) == recipe(condition(3))


@every_variant
def test_copies_are_independent(cls, options):
    network = make(cls, (1, 8, 8), **options).eval()
    twin = copy.deepcopy(network)
    before = twin(inputs(twin))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    assert torch.equal(twin(inputs(twin)), before)


@every_network
@pytest.mark.parametrize("shape", [(8, 8), (1, 0, 8), (1, 1, 8, 8), ()], ids=str)
def test_what_is_no_shape_is_refused(cls, shape):
    with pytest.raises(ValueError, match=r"shape is \[.*\]: give .*\[channels, height, width\]") as error:
        make(cls, shape)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("cls", [DCGANGenerator, DCGANDiscriminator])
def test_a_dcgan_has_a_smallest_image(cls):
    with pytest.raises(ValueError, match="needs sides of 8 or more"):
        cls((1, 7, 32))
    for base_size in (1, 8):
        with pytest.raises(ValueError, match=r"give one from 2 to 7"):
            cls((1, 8, 8), base_size=base_size)
