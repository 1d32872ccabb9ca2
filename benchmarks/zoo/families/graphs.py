"""Graph networks: dense adjacency, or messages that are added up along a list of edges."""

import torch
from torch import Tensor, nn

from benchmarks.zoo.network import Arguments, Axes, Network, floats

_NODES, _FEATURES = 10, 8


def _dense(rows: int) -> Arguments:
    adjacency = (torch.rand(rows, _NODES, _NODES) < 0.3).float()
    return torch.randn(rows, _NODES, _FEATURES), torch.maximum(adjacency, adjacency.transpose(1, 2))


def _edges(rows: int) -> Arguments:
    """One graph with a fixed number of nodes, and so many times seven edges."""
    return {"nodes": torch.randn(_NODES, _FEATURES), "edges": torch.randint(_NODES, (2, 7 * rows))}


_EDGE_AXES: dict[str, Axes] = {"nodes": (None, None), "edges": (None, "edges")}


class GCN(nn.Module):
    """Symmetrically normalised adjacency, two layers, a class for each node."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(_FEATURES, width), nn.Linear(width, 4)

    def forward(self, nodes: Tensor, adjacency: Tensor) -> Tensor:
        """Logits of shape (graphs, nodes, 4)."""
        looped = adjacency + torch.eye(adjacency.shape[-1], dtype=nodes.dtype, device=nodes.device)
        scale = looped.sum(-1).rsqrt()
        normal = scale[:, :, None] * looped * scale[:, None, :]
        return normal @ self.second((normal @ self.first(nodes)).relu())


class GAT(nn.Module):
    """Attention over neighbours, everything else masked by minus infinity."""

    def __init__(self, width: int = 8, heads: int = 2) -> None:
        super().__init__()
        self.heads, self.width = heads, width
        self.project = nn.Linear(_FEATURES, heads * width, bias=False)
        self.source, self.target = nn.Parameter(torch.randn(heads, width)), nn.Parameter(torch.randn(heads, width))
        self.head = nn.Linear(heads * width, 4)

    def forward(self, nodes: Tensor, adjacency: Tensor) -> Tensor:
        """Logits of shape (graphs, nodes, 4)."""
        graphs, count, _ = nodes.shape
        hidden = self.project(nodes).view(graphs, count, self.heads, self.width)
        source, target = (hidden * self.source).sum(-1), (hidden * self.target).sum(-1)
        scores = nn.functional.leaky_relu(source[:, :, None] + target[:, None, :], 0.2)
        looped = adjacency + torch.eye(count, dtype=nodes.dtype, device=nodes.device)
        weights = scores.masked_fill((looped == 0)[..., None], float("-inf")).softmax(2)
        mixed = torch.einsum("gijh,gjhw->gihw", weights, hidden)
        return self.head(nn.functional.elu(mixed.flatten(2)))


class GraphSAGE(nn.Module):
    """The mean of neighbours along a list of edges, by index_add."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.own, self.theirs = nn.Linear(_FEATURES, width), nn.Linear(_FEATURES, width, bias=False)
        self.head = nn.Linear(width, 3)

    def forward(self, nodes: Tensor, edges: Tensor) -> Tensor:
        """Logits of shape (nodes, 3)."""
        source, target = edges[0], edges[1]
        total = torch.zeros_like(nodes).index_add(0, target, nodes[source])
        ones = torch.ones_like(target, dtype=nodes.dtype)
        degree = torch.zeros_like(nodes[:, 0]).index_add(0, target, ones).clamp(min=1)
        hidden = (self.own(nodes) + self.theirs(total / degree[:, None])).relu()
        return self.head(nn.functional.normalize(hidden, dim=-1))


class GIN(nn.Module):
    """Sums of neighbours by scatter_add, and a sum over the graph."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.epsilon = nn.Parameter(torch.zeros(1))
        self.first = nn.Sequential(
            nn.Linear(_FEATURES, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, width)
        )
        self.head = nn.Linear(width, 2)

    def forward(self, nodes: Tensor, edges: Tensor) -> Tensor:
        """Logits of the graph, of shape (2,)."""
        index = edges[1][:, None].expand(-1, nodes.shape[1])
        total = torch.zeros_like(nodes).scatter_add(0, index, nodes[edges[0]])
        return self.head(self.first((1 + self.epsilon) * nodes + total).relu().sum(0))


class MPNN(nn.Module):
    """Messages from features of edges, a GRU that takes them in, a readout with gates."""

    def __init__(self, width: int = 12) -> None:
        super().__init__()
        self.enter, self.message = nn.Linear(_FEATURES, width), nn.Linear(2 * width + 3, width)
        self.cell, self.gate, self.head = nn.GRUCell(width, width), nn.Linear(width, 1), nn.Linear(width, 1)

    def forward(self, nodes: Tensor, edges: Tensor, features: Tensor) -> Tensor:
        """The graph's value, of shape (1,)."""
        hidden = self.enter(nodes)
        for _ in range(3):
            message = self.message(torch.cat([hidden[edges[0]], hidden[edges[1]], features], dim=1)).relu()
            hidden = self.cell(torch.zeros_like(hidden).index_add(0, edges[1], message), hidden)
        return (self.gate(hidden).sigmoid() * self.head(hidden)).sum(0)


class SchNet(nn.Module):
    """Atoms and their places: radial functions of distances weigh the neighbours."""

    centres: Tensor

    def __init__(self, width: int = 16, centres: int = 12) -> None:
        super().__init__()
        self.atoms = nn.Embedding(20, width)
        self.register_buffer("centres", torch.linspace(0, 5, centres))
        self.filters = nn.Sequential(nn.Linear(centres, width), nn.Softplus(), nn.Linear(width, width))
        self.mix, self.head = nn.Linear(width, width), nn.Linear(width, 1)

    def forward(self, atoms: Tensor, places: Tensor) -> Tensor:
        """Energies of shape (molecules, 1)."""
        hidden = self.atoms(atoms)
        distances = ((places[:, :, None] - places[:, None]).square().sum(-1) + 1e-6).sqrt()
        weights = self.filters((-10 * (distances[..., None] - self.centres).square()).exp())
        cutoff = 0.5 * ((distances * (torch.pi / 5)).cos() + 1) * (distances < 5)
        message = (weights * cutoff[..., None] * hidden[:, None]).sum(2)
        return self.head(hidden + nn.functional.softplus(self.mix(message))).sum(1)


class EdgeConv(nn.Module):
    """DGCNN: the nearest neighbours of each point in space, and the largest of what an edge gives."""

    def __init__(self, neighbours: int = 4) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.edge, self.head = nn.Sequential(nn.Linear(6, 16), nn.LeakyReLU(0.2)), nn.Linear(16, 5)

    def forward(self, points: Tensor) -> Tensor:
        """Logits of shape (clouds, 5)."""
        clouds, count, size = points.shape
        squares = points.square().sum(-1)
        distances = squares[:, :, None] + squares[:, None] - 2 * points @ points.transpose(1, 2)
        index = distances.topk(self.neighbours, largest=False).indices
        near = points.gather(1, index.flatten(1)[..., None].expand(-1, -1, size))
        near = near.view(clouds, count, self.neighbours, size)
        centre = points[:, :, None].expand_as(near)
        return self.head(self.edge(torch.cat([centre, near - centre], dim=-1)).amax(2).amax(1))


def _molecules(rows: int) -> Arguments:
    return torch.randint(20, (rows, _NODES)), 2 * torch.randn(rows, _NODES, 3)


NETWORKS = [
    Network("gcn", GCN, _dense),
    Network("gat", GAT, _dense),
    Network("graphsage", GraphSAGE, _edges, _EDGE_AXES),
    Network("gin", GIN, _edges, _EDGE_AXES),
    Network(
        "mpnn",
        MPNN,
        lambda rows: {**_named(_edges(rows)), "features": torch.randn(7 * rows, 3)},
        {**_EDGE_AXES, "features": ("edges", None)},
    ),
    Network("schnet", SchNet, _molecules),
    Network("dgcnn", EdgeConv, floats(24, 3)),
]


def _named(arguments: Arguments) -> dict[str, Tensor]:
    assert isinstance(arguments, dict)
    return arguments
