"""Attention of one learned query to linear tokens of variables, without making the tokens."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


class VariableAttention(nn.MultiheadAttention):
    r"""What ``nn.MultiheadAttention`` answers to one query and tokens that are linear in patches.

    The token of variable :math:`v` is :math:`t_v = W_v x_v + c_v` with the few values :math:`x_v`
    of its patch; the query :math:`q` is the same everywhere. For each head :math:`h`

    .. math:: a_{hv} = \mathrm{softmax}_v \, \frac{q_h}{\sqrt d} \cdot K_h t_v
       = \mathrm{softmax}_v \left[ (K_h^T q_h / \sqrt d)^T W_v \, x_v
       + (K_h^T q_h / \sqrt d)^T c_v \right]
       \qquad o_h = \sum_v a_{hv} V_h t_v = \sum_v (V_h W_v) (a_{hv} x_v) + (V_h c_v) a_{hv}

    so neither tokens nor keys nor values are made at any place: the maps in brackets are the
    same for all of them. The bias of the keys adds the same to all variables, which the softmax
    does not see; shares add up to 1, so the bias of the values is added once. The weights, and
    their names, are those of ``nn.MultiheadAttention``.

    References
    ----------
    Nguyen et al. (2023), ClimaX, section 3.1 (variable aggregation); Vaswani et al. (2017),
    Attention is all you need, equation 1.
    """

    def attend(
        self,
        query: Tensor,
        patches: Tensor,
        weight: Tensor,
        constant: Tensor,
        absent: Tensor | None = None,
    ) -> Tensor:
        """Return the attention of the query to the variables of each patch.

        Parameters
        ----------
        query
            ``[width]``.
        patches
            ``[patch, variable, cell]``.
        weight, constant
            What makes tokens of them, ``[variable, width, cell]`` and ``[variable, width]``.
        absent
            Which variables get no share ``[patch, variable]``.

        Returns
        -------
        torch.Tensor
            ``[patch, width]``.
        """
        heads, width = self.num_heads, self.embed_dim
        to_query, to_key, to_value = self.in_proj_weight.chunk(3)
        query_bias, _, value_bias = self.in_proj_bias.chunk(3)
        query = linear(query, to_query, query_bias).reshape(heads, -1) * self.head_dim**-0.5
        key = torch.einsum("hdw,hd->hw", to_key.reshape(heads, -1, width), query)

        # A further cell of 1 in each patch brings in the constants.
        patches = torch.cat([patches, torch.ones_like(patches[..., :1])], dim=-1)
        weight = torch.cat([weight, constant[..., None]], dim=-1)
        likeness = torch.einsum("nvc,vhc->nhv", patches, torch.einsum("hw,vwc->vhc", key, weight))
        if absent is not None:
            likeness = likeness.masked_fill(absent[:, None], -torch.inf)
        share = likeness.softmax(dim=-1)
        shared = (share[..., None] * patches[:, None]).flatten(2)
        value = torch.einsum("hdw,vwc->hvcd", to_value.reshape(heads, -1, width), weight)
        mixed = torch.einsum("nhc,hcd->nhd", shared.to(value.dtype), value.flatten(1, 2)).flatten(1)
        answer: Tensor = self.out_proj(mixed + value_bias)
        return answer
