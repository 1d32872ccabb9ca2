"""Policies and world models of reinforcement learning."""

import torch
from torch import Tensor, nn

from benchmarks.zoo.network import Network, floats, images, together
from benchmarks.zoo.packages import hugging_face


class ActorCritic(nn.Module):
    """PPO on continuous actions: orthogonal weights, tanh, a free standard deviation, the value beside it."""

    def __init__(self, observations: int = 11, actions: int = 3) -> None:
        super().__init__()
        self.actor, self.critic = self._network(observations, actions, 0.01), self._network(observations, 1, 1.0)
        self.log_deviation = nn.Parameter(torch.zeros(1, actions))

    @staticmethod
    def _network(inputs: int, outputs: int, gain: float) -> nn.Sequential:
        layers = [nn.Linear(inputs, 64), nn.Linear(64, 64), nn.Linear(64, outputs)]
        for layer, size in zip(layers, (2**0.5, 2**0.5, gain), strict=True):
            nn.init.orthogonal_(layer.weight, size)
            nn.init.zeros_(layer.bias)
        return nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2])

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and standard deviation of the actions, of shape (rows, actions), and values of shape (rows, 1)."""
        mean = self.actor(observation)
        return mean, self.log_deviation.exp().expand_as(mean), self.critic(observation)


class DiscretePolicy(nn.Module):
    """PPO on images with discrete actions: probabilities, the likeliest action and the entropy."""

    def __init__(self, actions: int = 6) -> None:
        super().__init__()
        self.features = _nature(4)
        self.actor, self.critic = nn.Linear(128, actions), nn.Linear(128, 1)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Probabilities (rows, actions), action (rows,), entropy (rows,), value (rows, 1)."""
        hidden = self.features(frames / 255.0)
        chances = torch.distributions.Categorical(logits=self.actor(hidden), validate_args=False)
        return chances.probs, chances.probs.argmax(-1), chances.entropy(), self.critic(hidden)


class DuelingDQN(nn.Module):
    """Values and advantages of actions, from four frames."""

    def __init__(self, actions: int = 6) -> None:
        super().__init__()
        self.features = _nature(4)
        self.value, self.advantage = nn.Linear(128, 1), nn.Linear(128, actions)

    def forward(self, frames: Tensor) -> Tensor:
        """Action values of shape (rows, actions)."""
        hidden = self.features(frames / 255.0)
        advantage = self.advantage(hidden)
        return self.value(hidden) + advantage - advantage.mean(1, keepdim=True)


def _nature(frames: int) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(frames, 16, 8, 4), nn.ReLU(), nn.Conv2d(16, 32, 4, 2), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU()),
        *(nn.Flatten(), nn.LazyLinear(128), nn.ReLU()),
    )


def _with_frames(policy: type[nn.Module]) -> nn.Module:
    made = policy()
    made(torch.zeros(1, 4, 84, 84))
    return made


class TanhGaussian(nn.Module):
    """SAC: an action squashed by tanh and its log-likelihood with the correction; the noise is an input."""

    def __init__(self, observations: int = 17, actions: int = 6) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(observations, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.mean, self.log_deviation = nn.Linear(64, actions), nn.Linear(64, actions)

    def forward(self, observation: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions of shape (rows, actions), log-likelihoods of shape (rows, 1)."""
        hidden = self.hidden(observation)
        mean, log_deviation = self.mean(hidden), self.log_deviation(hidden).clamp(-20, 2)
        normal = torch.distributions.Normal(mean, log_deviation.exp(), validate_args=False)
        before = mean + log_deviation.exp() * noise
        action = before.tanh()
        correction = 2 * (0.6931471805599453 - before - nn.functional.softplus(-2 * before))
        return action, (normal.log_prob(before) - correction).sum(1, keepdim=True)


class TwinCritic(nn.Module):
    """TD3's two critics and the smaller of their values."""

    def __init__(self, observations: int = 17, actions: int = 6) -> None:
        super().__init__()
        self.critics = nn.ModuleList(
            nn.Sequential(nn.Linear(observations + actions, 64), nn.LayerNorm(64), nn.ELU(), nn.Linear(64, 1))
            for _ in range(2)
        )

    def forward(self, observation: Tensor, action: Tensor) -> Tensor:
        """Values of shape (rows, 1)."""
        both = torch.cat([observation, action], dim=1)
        return torch.minimum(self.critics[0](both), self.critics[1](both))


class WorldModel(nn.Module):
    """One step of a recurrent state space: a GRU, discrete latents in groups, reward and continuation."""

    def __init__(self, width: int = 32, groups: int = 4, classes: int = 8, actions: int = 3) -> None:
        super().__init__()
        self.groups, self.classes = groups, classes
        self.enter = nn.Sequential(nn.Linear(groups * classes + actions, width), nn.LayerNorm(width), nn.SiLU())
        self.cell, self.prior = nn.GRUCell(width, width), nn.Linear(width, groups * classes)
        self.reward, self.goes_on = nn.Linear(width + groups * classes, 1), nn.Linear(width + groups * classes, 1)

    def forward(self, state: Tensor, latent: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The next state, its latents, the reward (through symexp) and the chance of going on."""
        state = self.cell(self.enter(torch.cat([latent, action], dim=1)), state)
        logits = self.prior(state).view(-1, self.groups, self.classes)
        chances = 0.99 * logits.softmax(-1) + 0.01 / self.classes
        both = torch.cat([state, chances.flatten(1)], dim=1)
        reward = self.reward(both)
        return state, chances.flatten(1), reward.sign() * reward.abs().expm1(), self.goes_on(both).sigmoid()


class NormalisedPolicy(nn.Module):
    """A policy with running statistics of observations, clipped, as rollouts' code wraps it."""

    mean: Tensor
    variance: Tensor

    def __init__(self, observations: int = 8) -> None:
        super().__init__()
        self.register_buffer("mean", torch.randn(observations))
        self.register_buffer("variance", torch.rand(observations) + 0.5)
        self.layers = nn.Sequential(nn.Linear(observations, 32), nn.Mish(), nn.Linear(32, 4))

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """The action (rows,) and logits (rows, 4)."""
        normal = ((observation - self.mean) / (self.variance + 1e-8).sqrt()).clamp(-10, 10)
        logits = self.layers(normal)
        return logits.argmax(1), logits


def _frames(rows: int) -> tuple[Tensor, ...]:
    return (torch.randint(256, (rows, 4, 84, 84)).float(),)


NETWORKS = [
    Network("ppo_continuous", ActorCritic, floats(11)),
    Network("ppo_discrete", lambda: _with_frames(DiscretePolicy), _frames),
    Network("dueling_dqn", lambda: _with_frames(DuelingDQN), _frames),
    Network("sac_tanh", TanhGaussian, together(floats(17), floats(6))),
    Network("td3_critic", TwinCritic, together(floats(17), floats(6))),
    Network("world_model", WorldModel, together(floats(32), floats(32), floats(3))),
    Network("normalised_policy", NormalisedPolicy, floats(8)),
    Network(
        "decision_transformer",
        lambda: hugging_face(
            "DecisionTransformer",
            "DecisionTransformerModel",
            state_dim=5,
            act_dim=2,
            hidden_size=32,
            n_layer=2,
            n_head=2,
            max_ep_len=50,
        ),
        lambda rows: {
            "states": torch.randn(rows, 6, 5),
            "actions": torch.randn(rows, 6, 2),
            "rewards": torch.randn(rows, 6, 1),
            "returns_to_go": torch.randn(rows, 6, 1),
            "timesteps": torch.arange(6).repeat(rows, 1),
            "attention_mask": torch.ones(rows, 6, dtype=torch.long),
        },
    ),
    Network("impala_cnn", lambda: _Impala(), images(32)),
]


class _Impala(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.enter, self.pool = nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(3, stride=2, padding=1)
        self.first, self.second = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.head = nn.Linear(8 * 16 * 16, 5)

    def forward(self, image: Tensor) -> Tensor:
        x = self.pool(self.enter(image))
        x = x + self.second(self.first(x.relu()).relu())
        return self.head(x.relu().flatten(1))
