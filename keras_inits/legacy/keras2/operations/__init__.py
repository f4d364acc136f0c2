"""Functions of TensorFlow that tf.keras wrote into models as layers of their own."""
