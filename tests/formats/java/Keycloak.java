import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import java.io.File;
import java.util.ArrayList;
import java.util.List;
import org.keycloak.credential.CredentialModel;
import org.keycloak.models.credential.OTPCredentialModel;
import org.keycloak.representations.idm.CredentialRepresentation;
import org.keycloak.representations.idm.RealmRepresentation;
import org.keycloak.representations.idm.UserRepresentation;

/** Writes a realm with OTP credentials, made and serialized by Keycloak's own classes, as `kc.sh export` does. */
public final class Keycloak {
  private static final long CREATED = 1714979289123L;

  public static void main(String[] arguments) throws Exception {
    // Keycloak's own secrets are 20 letters and digits, used as bytes.
    String text = "qWmYhkWnSvNbUxmZ4c2p";
    List<CredentialModel> models = new ArrayList<>();
    models.add(OTPCredentialModel.createTOTP(text, 6, 30, "HmacSHA1"));
    models.add(OTPCredentialModel.createTOTP("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", 6, 30, "HmacSHA1", "BASE32"));
    models.add(OTPCredentialModel.createTOTP(text, 6, 30, "HmacSHA256"));
    models.add(OTPCredentialModel.createTOTP(text, 8, 30, "HmacSHA1"));
    models.add(OTPCredentialModel.createTOTP(text, 6, 60, "HmacSHA1"));
    models.add(OTPCredentialModel.createHOTP(text, 6, 0, "HmacSHA1"));

    RealmRepresentation realm = new RealmRepresentation();
    realm.setId("7b9a8f0e-6d3b-4f0a-9c55-3f2f6c1d0001");
    realm.setRealm("shop");
    realm.setUsers(new ArrayList<>());
    int number = 0;
    for (CredentialModel model : models) {
      number += 1;
      CredentialRepresentation credential = new CredentialRepresentation();
      // What org.keycloak.exportimport.util.ExportUtils.exportCredential copies.
      credential.setId("7b9a8f0e-6d3b-4f0a-9c55-3f2f6c1d200" + number);
      credential.setType(model.getType());
      credential.setUserLabel("phone " + number);
      credential.setCreatedDate(CREATED);
      credential.setSecretData(model.getSecretData());
      credential.setCredentialData(model.getCredentialData());
      UserRepresentation user = new UserRepresentation();
      user.setId("7b9a8f0e-6d3b-4f0a-9c55-3f2f6c1d100" + number);
      user.setUsername("user" + number);
      user.setEnabled(true);
      user.setCredentials(List.of(credential));
      realm.getUsers().add(user);
    }
    ObjectMapper mapper = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
    mapper.setSerializationInclusion(com.fasterxml.jackson.annotation.JsonInclude.Include.NON_NULL);
    mapper.writeValue(new File(arguments[0]), realm);
    // The keys as Keycloak itself decodes them, in hexadecimal.
    for (CredentialModel model : models.subList(0, 2)) {
      byte[] key = OTPCredentialModel.createFromCredentialModel(model).getDecodedSecret();
      System.out.println(java.util.HexFormat.of().formatHex(key));
    }
  }
}
