"""VDG, the View-Disentangled Generator (Lakhal, Lanz, Cavallaro, ECCV 2018 workshops).

stage1: the coarse generator and what trains it. stage2: its refinement, discriminator and training.
losses: L_img. part_warp, projected: beyond the paper.

Symbols: I_a, K_a image and key points of the source view a; I_b, K_b of the target view b; P_a,
P_b the heat maps of the key points; I_b^R the coarse prediction; M_b the mask of the target pose.
Images are (B, 3, H, W) in [-1, 1], key points (B, 18, 2) in pixels, heat maps (B, 18, H, W) in
[0, 1]. Layer tables are not published; the ones here follow docs/choices.md.
"""
