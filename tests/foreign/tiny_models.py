"""Small random models of every family, in folders as a hub has them."""

from pathlib import Path
from typing import Any

import torch
import transformers as tf

SIDE = 64  # of the images that the networks take
FEATURES = [[16, 16], [8, 8], [4, 4]]
PROMPT = {"hidden_size": 32, "image_size": SIDE, "patch_size": 16, "mask_input_channels": 4}
DECODER = {
    "hidden_size": 32,
    "mlp_dim": 32,
    "num_attention_heads": 2,
    "iou_head_hidden_dim": 16,
    "num_hidden_layers": 2,
}
VIT = {
    "hidden_size": 32,
    "output_channels": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": SIDE,
    "window_size": 2,
    "num_pos_feats": 16,
    "global_attn_indexes": [1],
    "initializer_range": 0.02,
}


def sam() -> tuple[Any, Any]:
    config = tf.SamConfig(
        vision_config=VIT, prompt_encoder_config=PROMPT, mask_decoder_config=DECODER
    )
    return tf.SamModel(config), tf.SamProcessor(_padding())


def sam_hq() -> tuple[Any, Any]:
    config = tf.SamHQConfig(
        vision_config=VIT,
        prompt_encoder_config=PROMPT,
        mask_decoder_config={**DECODER, "vit_dim": 32},
    )
    return tf.SamHQModel(config), tf.SamHQProcessor(_padding())


def sam2() -> tuple[Any, Any]:
    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 8,
        "image_size": [SIDE, SIDE],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 1, 2, 2],
        "window_size_per_stage": [8, 4, 4, 2],
        "window_positional_embedding_background_size": [4, 4],
        "global_attention_blocks": [3],
    }
    vision = {
        "backbone_config": backbone,
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": FEATURES,
        "fpn_hidden_size": 32,
    }
    config = tf.Sam2Config(
        vision_config=vision, prompt_encoder_config=PROMPT, mask_decoder_config=DECODER
    )
    return tf.Sam2Model(config), tf.Sam2Processor(_stretching())


def edgetam() -> tuple[Any, Any]:
    backbone = tf.TimmWrapperConfig(
        architecture="repvit_m0_9",
        model_args={"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]},
    )
    vision = tf.EdgeTamVisionConfig(
        backbone_config=backbone,
        backbone_channel_list=[384, 192, 96, 48],
        backbone_feature_sizes=FEATURES,
        fpn_hidden_size=32,
    )
    config = tf.EdgeTamConfig(
        vision_config=vision, prompt_encoder_config=PROMPT, mask_decoder_config=DECODER
    )
    return tf.EdgeTamModel(config), tf.Sam2Processor(_stretching())


def sam3_tracker() -> tuple[Any, Any]:
    backbone = {
        "model_type": "sam3_vit_model",
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": SIDE,
        "patch_size": 16,
        "window_size": 2,
        "global_attn_indexes": [1],
        "pretrain_image_size": 32,
    }
    vision = {
        "model_type": "sam3_vision_model",
        "backbone_config": backbone,
        "fpn_hidden_size": 32,
        "backbone_feature_sizes": FEATURES,
    }
    config = tf.Sam3TrackerConfig(
        vision_config=vision, prompt_encoder_config=PROMPT, mask_decoder_config=DECODER
    )
    size = {"height": SIDE, "width": SIDE}
    processor = tf.Sam3TrackerProcessor(tf.Sam3ImageProcessor(size=size))
    return tf.Sam3TrackerModel(config), processor


def _padding() -> Any:
    pad = {"height": SIDE, "width": SIDE}
    return tf.SamImageProcessor(size={"longest_edge": SIDE}, pad_size=pad)


def _stretching() -> Any:
    return tf.Sam2ImageProcessor(size={"height": SIDE, "width": SIDE})


FAMILIES = {"sam": sam, "sam_hq": sam_hq, "sam2": sam2, "edgetam": edgetam}
FAMILIES["sam3_tracker"] = sam3_tracker


def saved(family: str, folder: Path) -> Path:
    """Write model and processor of a family, with weights that answer with structure."""
    torch.manual_seed(0)
    model, processor = FAMILIES[family]()
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1 and "norm" not in name:
            torch.nn.init.normal_(parameter, std=0.2)
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
