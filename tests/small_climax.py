"""Small ClimaX networks, and weights in the layout of its authors' checkpoints."""

import torch

WIDTH, HEADS = 16, 2
OPTIONS = {"patch_size": 2, "embed_dim": WIDTH, "depth": 2, "num_heads": HEADS}


def shaken(model):
    """Return a model whose weights are far from zero, so that everything tells."""
    torch.manual_seed(3)
    for weight in model.parameters():
        weight.data += 0.3 * torch.randn_like(weight)
    return model


def authors_weights(prefix="net.", variables=48, patches=(4, 8), depth=2, decoder_depth=1):
    """Return random weights in the layout of the authors' checkpoints."""
    torch.manual_seed(1)
    shapes = {
        "var_embed": (1, variables, WIDTH),
        "var_query": (1, 1, WIDTH),
        "pos_embed": (1, patches[0] * patches[1], WIDTH),
        "var_agg.in_proj_weight": (3 * WIDTH, WIDTH),
        "var_agg.in_proj_bias": (3 * WIDTH,),
        "var_agg.out_proj.weight": (WIDTH, WIDTH),
        "var_agg.out_proj.bias": (WIDTH,),
        "lead_time_embed.weight": (WIDTH, 1),
        "lead_time_embed.bias": (WIDTH,),
        "norm.weight": (WIDTH,),
        "norm.bias": (WIDTH,),
    }
    for number in range(variables):
        shapes[f"token_embeds.{number}.proj.weight"] = (WIDTH, 1, 2, 2)
        shapes[f"token_embeds.{number}.proj.bias"] = (WIDTH,)
    for number in range(decoder_depth + 1):
        rows = WIDTH if number < decoder_depth else 4 * variables
        shapes[f"head.{2 * number}.weight"] = (rows, WIDTH)
        shapes[f"head.{2 * number}.bias"] = (rows,)
    for number in range(depth):
        for name, (rows, columns) in {
            "norm1": (WIDTH, None),
            "attn.qkv": (3 * WIDTH, WIDTH),
            "attn.proj": (WIDTH, WIDTH),
            "norm2": (WIDTH, None),
            "mlp.fc1": (4 * WIDTH, WIDTH),
            "mlp.fc2": (WIDTH, 4 * WIDTH),
        }.items():
            shapes[f"blocks.{number}.{name}.weight"] = (rows, columns) if columns else (rows,)
            shapes[f"blocks.{number}.{name}.bias"] = (rows,)
    return {prefix + name: torch.randn(shape) for name, shape in shapes.items()}
