"""The loops that gan-lab's training step is measured against, written by hand over the same networks.

`Tutorial` is the loop of PyTorch's own DCGAN tutorial: BCE on probabilities, a backward pass for the real and one for
the fake batch, the fakes reused for the generator, gradients of D computed and thrown away in G's move, three scalars
brought to the host a step. `Tuned` is the same game with every trick that gan-lab uses, and nothing around it.
"""

import torch
from torch import Tensor, nn

ADAM = {"lr": 2e-4, "betas": (0.5, 0.999)}


class Tutorial:
    """A plain loop, as tutorials write it."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module, z_dim: int) -> None:
        self.g, self.d, self.z_dim = generator, discriminator, z_dim
        self.adam_g = torch.optim.Adam(self.g.parameters(), **ADAM)
        self.adam_d = torch.optim.Adam(self.d.parameters(), **ADAM)
        self.bce = nn.BCELoss()

    def step(self, real: Tensor) -> list[float]:
        n = len(real)
        label = torch.full((n,), 1.0)
        self.d.zero_grad()
        output = torch.sigmoid(self.d(real))
        error_real = self.bce(output, label)
        error_real.backward()
        d_x = output.mean().item()
        fake = self.g(torch.randn(n, self.z_dim))
        label.fill_(0.0)
        output = torch.sigmoid(self.d(fake.detach()))
        error_fake = self.bce(output, label)
        error_fake.backward()
        error_d = error_real + error_fake
        self.adam_d.step()
        self.g.zero_grad()
        label.fill_(1.0)
        error_g = self.bce(torch.sigmoid(self.d(fake)), label)
        error_g.backward()
        self.adam_g.step()
        return [error_d.item(), error_g.item(), d_x]


class Tuned:
    """The same game with gan-lab's tricks: channels last, fused Adam, gradients of the mover alone, no host copies."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module, z_dim: int, average: nn.Module | None) -> None:
        self.g = generator.to(memory_format=torch.channels_last)
        self.d = discriminator.to(memory_format=torch.channels_last)
        self.z_dim, self.average = z_dim, average
        self.of_g, self.of_d = list(self.g.parameters()), list(self.d.parameters())
        self.adam_g = torch.optim.Adam(self.of_g, fused=True, **ADAM)
        self.adam_d = torch.optim.Adam(self.of_d, fused=True, **ADAM)

    def step(self, real: Tensor) -> None:
        softplus = nn.functional.softplus
        real = real.contiguous(memory_format=torch.channels_last)
        fake = self.g(torch.randn(len(real), self.z_dim))
        self.adam_d.zero_grad()
        loss = softplus(-self.d(real)).mean() + softplus(self.d(fake.detach())).mean()
        loss.backward(inputs=self.of_d)
        self.adam_d.step()
        self.adam_g.zero_grad()
        softplus(-self.d(fake)).mean().backward(inputs=self.of_g)
        self.adam_g.step()
        if self.average is not None:
            with torch.no_grad():
                torch._foreach_lerp_(list(self.average.parameters()), self.of_g, 0.01)
                for kept, current in zip(self.average.buffers(), self.g.buffers(), strict=True):
                    kept.copy_(current)
